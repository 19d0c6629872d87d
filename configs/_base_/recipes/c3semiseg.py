# C3-SemiSeg
_base_ = ['./semi_recipe.py', '../methods/c3semiseg.py', '../default_runtime.py']

method = dict(
    _base_.c3semiseg,
    # as for the other methods; 2.63 in the paper
    unsup_loss=dict(_base_.c3semiseg.unsup_loss, loss_weight=1.0, ramp=_base_.ramp),
    semi_train_cfg=_base_.semi_train_cfg,
    auxiliary_head=[dict(_base_.c3_contrast, in_index='decode')],
)
