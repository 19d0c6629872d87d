# Cityscapes at half size (1024x512), crops of 512x512, labelled and unlabelled 5 + 2 per process.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './cityscapes.py'

crop_size = (512, 512)
geometry = [
    dict(type='Resize', scale=_base_.image_scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
]

unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 7
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
    img_suffix='_leftImg8bit.png',
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
        source_ratio=[5, 2],
    ),
    dataset=dict(
        _delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset, unlabeled_dataset]
    ),
)
