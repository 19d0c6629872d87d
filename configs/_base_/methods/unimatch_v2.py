# UniMatch V2 (Yang et al., TPAMI 2025): FixMatch with an EMA teacher and two strong views, each of which
# keeps the feature channels that the other loses; in a config with this base, as with fixmatch.py, and with
# a branch `strong2`
_base_ = './fixmatch.py'

complementary = dict(type='ComplementaryDropout')
unimatch_v2 = dict(
    _base_.fixmatch_ema,
    views=[
        dict(branch='strong', weight=0.5, perturbation=complementary),
        dict(branch='strong2', weight=0.5, perturbation=complementary),
    ],
)
custom_hooks = _base_.ema_hooks
val_cfg = dict(type='TeacherStudentValLoop')
