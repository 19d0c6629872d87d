# UniMatch (Yang et al., CVPR 2023): FixMatch with a second strong view, and with dropped channels on the
# weak one; in a config with this base, as with fixmatch.py, and with a branch `strong2`
_base_ = './fixmatch.py'

unimatch = dict(
    _base_.fixmatch,
    views=[
        dict(branch='strong', weight=0.25),
        dict(branch='strong2', weight=0.25),
        dict(
            branch='weak',
            weight=0.5,
            mix=False,
            perturbation=dict(type='ChannelDropout', prob=0.5),
        ),
    ],
)
