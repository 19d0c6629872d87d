_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
# as in the paper, and in all stages; under one scale a net learns few images by heart
geometry = dict(resize=dict(type='RandomResize', ratio_range=(0.75, 1.75)))
labeled_branches = _base_.two_views
train_dataloader = train_loader(globals())
# there is no classifier to validate
val_cfg = val_dataloader = val_evaluator = None
custom_hooks = [dict(type='SemiDiagnosticsHook', interval=50)]
# the cosine is part of the method; optimiser and length are those of every config on this data
cosine = dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=_base_.max_iters, by_epoch=False)
param_scheduler = [cosine]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
pretrainer = _base_.pretrainer
pretrainer.loss_size = None  # the grid of the features is small enough
model = dict(**pretrainer, data_preprocessor=data_preprocessor)
