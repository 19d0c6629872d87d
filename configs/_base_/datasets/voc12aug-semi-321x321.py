# PASCAL VOC 2012 aug at its own size, crops of 321x321, labelled and unlabelled 14 + 7 per process.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './voc12aug.py'

crop_size = (321, 321)
geometry = [
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
]

unlabeled_list = 'data_lists/voc12aug/voc12aug.0@1by8-unlabeled.txt'
batch_size = 21
branch_field = ['sup', 'weak']

sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    *geometry,
    dict(type='MultiBranch', branch_field=branch_field, sup=[dict(type='PackSegInputs')]),
]
# no mask is opened
unlabeled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadValidMap'),
    *geometry,
    dict(type='MultiBranch', branch_field=branch_field, weak=[dict(type='PackSegInputs')]),
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
        _delete_=True,
        type='MultiSourceSampler',
        batch_size=batch_size,
        source_ratio=[14, 7],
    ),
    dataset=dict(
        _delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset, unlabeled_dataset]
    ),
)
