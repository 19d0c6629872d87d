# Labelled Cityscapes, labelled GTA5 and unlabelled Cityscapes, 2 + 2 + 4 per process
_base_ = './cityscapes-semi.py'

gta5_root = 'data/gta'
gta5_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(1280, 720), keep_ratio=True),
    dict(type='RandomRotate', prob=1.0, degree=10, seg_pad_val=255),
    dict(type='RandomCrop', crop_size=_base_.crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='MultiBranch', branch_field=_base_.branch_field, sup=[dict(type='PackSegInputs')]),
]
gta5_dataset = dict(
    type='GTA5Dataset',
    data_prefix=dict(img_path=f'{gta5_root}/images', seg_map_path=f'{gta5_root}/labels'),
    pipeline=gta5_pipeline,
)
train_dataloader = dict(
    sampler=dict(source_ratio=[1, 1, 2]),
    dataset=dict(datasets=[_base_.labeled_dataset, gta5_dataset, _base_.unlabeled_dataset]),
)
