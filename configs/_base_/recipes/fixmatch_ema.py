# FixMatch with an EMA teacher
_base_ = ['./semi_recipe.py', '../methods/fixmatch_ema.py', '../default_runtime.py']

method = dict(
    _base_.fixmatch_ema,
    unsup_loss=dict(_base_.fixmatch_ema.unsup_loss, ramp=_base_.ramp),
    semi_train_cfg=_base_.semi_train_cfg,
)
