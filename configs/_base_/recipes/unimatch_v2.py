# UniMatch V2
_base_ = ['./semi_recipe.py', '../methods/unimatch_v2.py', '../default_runtime.py']

branches = dict(strong2=_base_.strong)
method = dict(
    _base_.unimatch_v2,
    unsup_loss=dict(_base_.unimatch_v2.unsup_loss, ramp=_base_.ramp),
    semi_train_cfg=_base_.semi_train_cfg,
)
