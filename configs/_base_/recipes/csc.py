# CSC, with the projection head, pixels and bank of a size that a CPU can do
_base_ = ['./semi_recipe.py', '../methods/csc.py', '../default_runtime.py']

method = dict(
    _base_.csc,
    unsup_loss=dict(_base_.csc.unsup_loss, ramp=_base_.ramp),
    semi_train_cfg=_base_.semi_train_cfg,
    auxiliary_head=[_base_.small_csc_contrast],
)
