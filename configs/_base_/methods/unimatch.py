# UniMatch (Yang et al., CVPR 2023): FixMatch with a second strong view, and with dropped channels on the
# weak one; in a config with this base, as with fixmatch.py, and with a branch `strong2`
_base_ = './fixmatch.py'

unimatch = dict(
    **_base_.fixmatch,
    # 1/4, 1/4 and 1/2, as published
    extra_views=[
        dict(view='strong2', weight=1.0),
        dict(
            view='weak', weight=2.0, mix=False, perturbation=dict(type='ChannelDropout', prob=0.5)
        ),
    ],
)
unimatch['unsup_loss'] = dict(type='ConsistencyLoss', loss_weight=0.25, norm='all')
