# UniMatch
_base_ = ['./semi_recipe.py', '../methods/unimatch.py', '../default_runtime.py']

branches = dict(strong2=_base_.strong)
method = dict(
    _base_.unimatch,
    unsup_loss=dict(_base_.unimatch.unsup_loss, ramp=_base_.ramp),
    semi_train_cfg=_base_.semi_train_cfg,
)
