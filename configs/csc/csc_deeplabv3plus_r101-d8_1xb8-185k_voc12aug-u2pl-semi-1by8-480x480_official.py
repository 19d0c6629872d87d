# The method as in the published code, as far as there are options. README.md has what is not reproduced, and
# the keys of what the supervised baseline shares (padding, resizing, choice of the checkpoint).
_base_ = './csc_deeplabv3plus_r101-d8_1xb8-185k_voc12aug-u2pl-semi-1by8-480x480.py'

# 64 anchors of these classes in an image and 16 of the others, if it has more pixels of the class
weak = (2, 4, 5, 9, 11, 16, 18, 20)
anchors = [64 if c in weak else 16 for c in range(21)]
contrast = dict(
    _base_.contrast,
    samples_per_class=anchors,
    min_pixels=[number + 1 for number in anchors],
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
model = dict(
    selector=dict(_delete_=True, type='EntropyPercentileMask', keep_ratio=0.8),
    mixing=dict(_delete_=True, type='RingCutMix', area=0.5),
    unsup_loss=dict(norm='coverage'),
    auxiliary_head=[contrast],
)
