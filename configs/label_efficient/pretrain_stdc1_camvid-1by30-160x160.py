_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
# as in the paper, and in all stages; under one scale a net learns few images by heart
labeled_dataset.pipeline[2].update(type='RandomResize', ratio_range=(0.75, 1.75))
labeled_dataset.pipeline = [*labeled_dataset.pipeline[:-1], _base_.views]
batch_size = _base_.train_dataloader.batch_size
train_dataloader = dict(
    batch_size=batch_size,
    # exact resume of order and augmentation
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1]),
    dataset=dict(_delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset]),
)
# there is no classifier to validate
val_cfg = val_dataloader = val_evaluator = None
custom_hooks = [dict(type='SemiDiagnosticsHook', interval=50)]
# the cosine is part of the method; optimiser and length are those of every config on this data
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=_base_.max_iters, by_epoch=False)
]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
pretrainer = _base_.pretrainer
pretrainer.loss_size = None  # the grid of the features is small enough
model = dict(**pretrainer, data_preprocessor=data_preprocessor)
