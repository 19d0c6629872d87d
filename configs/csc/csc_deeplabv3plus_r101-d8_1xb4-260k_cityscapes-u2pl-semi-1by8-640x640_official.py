# What the published code does beyond the paper, together; README.md has each as one option
_base_ = './csc_deeplabv3plus_r101-d8_1xb4-260k_cityscapes-u2pl-semi-1by8-640x640.py'

# the classes that get more anchors there
weak = (3, 4, 5, 6, 7, 9, 11, 12, 14, 15, 16, 17, 18)
contrast = dict(
    _base_.model.auxiliary_head[-1],
    samples_per_class=[64 if c in weak else 16 for c in range(19)],
    enqueue='pixels',
    anchor_filter=(0.1, 0.9),
    between_halves=True,
    bank=dict(
        size=2000,
        consistency=True,
        pooled_mean=True,
        gate='official',
        gate_range=1.0,
        min_fill=0.0,
    ),
)
model = dict(
    selector=dict(_delete_=True, type='EntropyPercentileMask', drop=80),
    auxiliary_head=[*_base_.model.auxiliary_head[:-1], contrast],
)
