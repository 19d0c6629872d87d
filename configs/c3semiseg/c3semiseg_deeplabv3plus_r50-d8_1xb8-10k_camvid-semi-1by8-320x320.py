# CamVid at 480x360, twice the area of the other configs
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d8.py',
    '../_base_/datasets/camvid-320x240-semi.py',
    '../_base_/schedules/schedule_10k_adamw.py',
    '../_base_/methods/c3semiseg.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

num_classes = 11
crop_size = (320, 320)
image_scale = (480, 360)
geometry = dict(resize=dict(scale=image_scale), crop=dict(crop_size=crop_size))
test_pipeline = single_scale(image_scale)
tta_pipeline = multi_scale(image_scale)
train_dataloader = train_loader(globals())
val_dataloader = test_dataloader = val_loader(globals())

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=crop_size)
model = dict(
    **_base_.c3semiseg,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[
        *[dict(head, num_classes=num_classes) for head in _base_.model.auxiliary_head],
        dict(_base_.c3_contrast, in_channels=2048),
    ],
)
