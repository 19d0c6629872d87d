# CSC as in the published code, as far as there are options. Beside a config of CSC in the bases of another:
#     contrast = dict(_base_.contrast, **_base_.official_contrast, samples_per_class=..., min_pixels=...)
#     model = dict(**_base_.official, auxiliary_head=[contrast])
# configs/csc/README.md has each option, and what is not reproduced.
official = dict(
    selector=dict(_delete_=True, type='EntropyPercentileMask', keep_ratio=0.8),
    mixing=dict(_delete_=True, type='RingCutMix', area=0.5),
    unsup_loss=dict(norm='coverage'),
)
official_contrast = dict(
    enqueue='pixels',
    anchor_filter=(0.1, 0.9),
    between_halves=True,
    fallback='official',
    bank=dict(
        type='ConsistencySeparationModule',
        size=2000,
        consistency=True,
        pooled_mean=True,
        gate='official',
        gate_range=1.0,
        min_fill=0.0,
    ),
)
