# README.md has the keys of what the supervised baseline shares (padding, resizing, choice of the checkpoint)
_base_ = [
    './csc_deeplabv3plus_r101-d8_1xb8-185k_voc12aug-u2pl-semi-1by8-480x480.py',
    '../_base_/methods/csc_official.py',
]

# 64 anchors of these classes in an image and 16 of the others, if it has more pixels of the class
weak = (2, 4, 5, 9, 11, 16, 18, 20)
anchors = [64 if c in weak else 16 for c in range(21)]
contrast = dict(
    _base_.contrast,
    **_base_.official_contrast,
    samples_per_class=anchors,
    min_pixels=[number + 1 for number in anchors],
)
model = dict(**_base_.official, auxiliary_head=[contrast])
