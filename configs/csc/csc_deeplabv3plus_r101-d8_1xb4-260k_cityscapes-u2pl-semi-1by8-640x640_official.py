# README.md has the keys of what the supervised baseline shares (padding, resizing, choice of the checkpoint)
_base_ = [
    './csc_deeplabv3plus_r101-d8_1xb4-260k_cityscapes-u2pl-semi-1by8-640x640.py',
    '../_base_/methods/csc_official.py',
]

# 64 anchors of these classes in an image and 16 of the others, if it has more pixels of the class
weak = (3, 4, 5, 6, 7, 9, 11, 12, 14, 15, 16, 17, 18)
anchors = [64 if c in weak else 16 for c in range(19)]
contrast = dict(
    _base_.contrast,
    **_base_.official_contrast,
    samples_per_class=anchors,
    min_pixels=[number + 1 for number in anchors],
)
model = dict(**_base_.official, auxiliary_head=[*_base_.supervised_heads, contrast])
