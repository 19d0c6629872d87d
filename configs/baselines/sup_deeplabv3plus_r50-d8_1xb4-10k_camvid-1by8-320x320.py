# CamVid at 480x360, twice the area of the other configs
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d8.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/schedule_10k_adamw.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

num_classes = 11
crop_size = (320, 320)
image_scale = (480, 360)
labeled_dataset = _base_.labeled_dataset
test_pipeline = _base_.test_pipeline
tta_pipeline = _base_.tta_pipeline
labeled_dataset.pipeline[2].scale = image_scale
labeled_dataset.pipeline[4].crop_size = crop_size
test_pipeline[1].scale = image_scale
tta_pipeline[1].transforms[0] = [
    dict(type='Resize', scale=scale, keep_ratio=True)
    for scale in ((360, 270), (480, 360), (600, 450))
]
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[dict(head, num_classes=num_classes) for head in _base_.model.auxiliary_head],
)
