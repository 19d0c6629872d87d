# Label-efficient contrastive pretraining, which the recipe for labels alone fine-tunes
_base_ = ['./recipe.py', '../methods/label_efficient.py', '../default_runtime.py']

preprocessor = 'MultiBranchDataPreprocessor'
labeled_branches = _base_.two_views
# the grid of the features is small enough
method = dict(
    _base_.pretrainer,
    loss_size=None,
)
# the cosine is part of the method
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=_base_.max_iters, by_epoch=False)
]
custom_hooks = [dict(type='SemiDiagnosticsHook', interval=50)]
# there is no classifier to validate
train_cfg = dict(val_interval=_base_.max_iters + 1)
