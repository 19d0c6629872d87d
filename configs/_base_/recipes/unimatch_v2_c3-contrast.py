# UniMatch V2 with the contrast of C3-SemiSeg
_base_ = './unimatch_v2.py'

contrast = dict(
    type='PixelContrastHead',
    in_index='decode',
    temperature=0.15,
    samples_per_class=20,
    ramp=dict(start=0, length=0.05),
)
method = dict(auxiliary_head=[contrast])
