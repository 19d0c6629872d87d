# Generated mosaics, labelled and unlabelled 8 + 8
_base_ = './mosaic.py'

unlabeled_list = f'{_base_.data_root}/lists/mosaic.0@8-unlabeled.txt'
batch_size = 16
branch_field = ['sup', 'weak', 'strong']

sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    *_base_.geometry,
    dict(type='MultiBranch', branch_field=branch_field, sup=[dict(type='PackSegInputs')]),
]
weak_pipeline = [dict(type='PackSegInputs')]
# weaker than in the paper: a net from scratch has no features yet that survive more
strong_pipeline = [
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
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
