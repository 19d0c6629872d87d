# Labelled Cityscapes at half size, labelled GTA5 as another domain, and unlabelled Cityscapes,
# 5 + 5 + 2 per process, crops of 512x512; views of the unlabelled images are made on the device
_base_ = './cityscapes.py'

crop_size = (512, 512)
geometry = [
    dict(type='Resize', scale=_base_.image_scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
]

unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 12
branch_field = ['sup', 'source', 'weak']

sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    *geometry,
    dict(type='MultiBranch', branch_field=branch_field, sup=[dict(type='PackSegInputs')]),
]
gta5_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(957, 526), keep_ratio=True),
    *geometry[1:],
    dict(type='MultiBranch', branch_field=branch_field, source=[dict(type='PackSegInputs')]),
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
gta5_root = 'data/gta'
gta5_dataset = dict(
    type='GTA5Dataset',
    data_prefix=dict(img_path=f'{gta5_root}/images', seg_map_path=f'{gta5_root}/labels'),
    pipeline=gta5_pipeline,
)
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(
        _delete_=True,
        type='MultiSourceSampler',
        batch_size=batch_size,
        source_ratio=[5, 5, 2],
    ),
    dataset=dict(
        _delete_=True,
        type='MultiSourceDataset',
        datasets=[labeled_dataset, gta5_dataset, unlabeled_dataset],
    ),
)
