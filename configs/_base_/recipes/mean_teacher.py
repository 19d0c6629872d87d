# A mean teacher (Tarvainen and Valpola, NeurIPS 2017): consistency with its probabilities, on all pixels
_base_ = ['./semi_recipe.py', '../methods/c3semiseg.py', '../default_runtime.py']

method = dict(
    _base_.c3semiseg,
    selector=None,
    mixing=None,
    unsup_loss=dict(type='ConsistencyLoss', loss_weight=1.0, ramp=_base_.ramp),
    semi_train_cfg=_base_.semi_train_cfg,
)
