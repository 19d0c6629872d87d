# PASCAL VOC 2012 aug at its own size, crops of 321x321 as in the class-wise memory bank, supervised only
_base_ = './voc12aug.py'

crop_size = (321, 321)
geometry = [
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
batch_size = 14
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size),
    dataset=dict(datasets=[labeled_dataset]),
)
