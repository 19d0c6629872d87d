# Labelled Cityscapes at half size, labelled GTA5 as another domain, and unlabelled Cityscapes,
# 5 + 5 + 2 per process, crops of 512x512
_base_ = './cityscapes-semi-512x512.py'

branch_field = ['sup', 'source', 'weak']
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.pipeline[-1].branch_field = branch_field
unlabeled_dataset.pipeline[-1].branch_field = branch_field

gta5_root = 'data/gta'
gta5_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(957, 526), keep_ratio=True),
    dict(type='RandomCrop', crop_size=_base_.crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='MultiBranch', branch_field=branch_field, source=[dict(type='PackSegInputs')]),
]
gta5_dataset = dict(
    type='GTA5Dataset',
    data_prefix=dict(img_path=f'{gta5_root}/images', seg_map_path=f'{gta5_root}/labels'),
    pipeline=gta5_pipeline,
)
batch_size = 12
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size, source_ratio=[5, 5, 2]),
    dataset=dict(datasets=[labeled_dataset, gta5_dataset, unlabeled_dataset]),
)
