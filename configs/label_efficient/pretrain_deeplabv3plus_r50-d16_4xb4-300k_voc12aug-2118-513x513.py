_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/voc12aug.py',
    '../_base_/schedules/schedule_300k_sgd.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

crop_size = (513, 513)
labeled_list = 'data_lists/voc12aug/voc12aug.0@2118.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
resize, crop, flip = _base_.geometry
crop.crop_size = crop_size
labeled_dataset.pipeline = [*labeled_dataset.pipeline[:2], resize, crop, flip, _base_.views]
batch_size = 4
train_dataloader = dict(
    batch_size=batch_size,
    # exact resume of order and augmentation
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1]),
    dataset=dict(_delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset]),
)
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
