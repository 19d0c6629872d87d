_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/voc12aug.py',
    '../_base_/schedules/schedule_300k_sgd.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (513, 513)
labeled_list = 'data_lists/voc12aug/voc12aug.0@2118.txt'
batch_size = 4
geometry = dict(crop=dict(crop_size=crop_size))
labeled_branches = _base_.two_views
train_dataloader = train_loader(globals())
# there is no classifier to validate
val_cfg = val_dataloader = val_evaluator = None
custom_hooks = [dict(type='SemiDiagnosticsHook', interval=50)]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=crop_size)
model = dict(
    **_base_.pretrainer,
    data_preprocessor=data_preprocessor,
    backbone=dict(init_cfg=None),
    decode_head=dict(num_classes=21),
)
