# MSRC-21, labelled and unlabelled 4 + 4
_base_ = './msrc21.py'

unlabeled_list = 'data_lists/msrc21/msrc21.0@21-unlabeled.txt'
batch_size = 8
branch_field = ['sup', 'weak', 'strong']

sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    *_base_.geometry,
    dict(type='MultiBranch', branch_field=branch_field, sup=[dict(type='PackSegInputs')]),
]
weak_pipeline = [dict(type='PackSegInputs')]
strong_pipeline = [
    dict(type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
    dict(type='RandAugmentColor'),
    dict(type='PackSegInputs'),
]
# `weak` and `strong` share the geometry, no mask is opened
unlabeled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadValidMap'),
    *_base_.geometry,
    dict(type='MultiBranch', branch_field=branch_field, weak=weak_pipeline, strong=strong_pipeline),
]

labeled_dataset = _base_.labeled_dataset
labeled_dataset.pipeline = sup_pipeline
unlabeled_dataset = dict(
    type='UnlabeledDataset',
    like=_base_.dataset_type,
    ann_file=unlabeled_list,
    data_prefix=dict(img_path=labeled_dataset.data_prefix.img_path),
    pipeline=unlabeled_pipeline,
)
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(
        _delete_=True, type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1, 1]
    ),
    dataset=dict(
        _delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset, unlabeled_dataset]
    ),
)
