# Cityscapes at full size (2048x1024), crops of 512x512 as in the class-wise memory bank, supervised only
_base_ = './cityscapes-full.py'

crop_size = (512, 512)
geometry = [
    dict(type='Resize', scale=_base_.image_scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
]
sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    *geometry,
    dict(type='PackSegInputs'),
]
labeled_dataset = _base_.labeled_dataset
labeled_dataset.pipeline = sup_pipeline
batch_size = 7
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size),
    dataset=dict(datasets=[labeled_dataset]),
)
