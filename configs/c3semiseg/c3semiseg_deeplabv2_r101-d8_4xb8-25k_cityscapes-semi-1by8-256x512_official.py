# What the published code does beyond the paper, as far as it has options; README.md has each of them,
# and what is not reproduced
_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

# labelled: rotated after the crop; unlabelled: before the resize, and the border counts as image
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
resize, rotate, crop, flip = _base_.geometry
labeled_dataset.pipeline[2:6] = [resize, crop, flip, rotate]
unlabeled_dataset.pipeline[2:6] = [dict(rotate, seg_pad_val=0), resize, crop, flip]
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))

# labels at half size, so no comparison with results on full-size labels
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=_base_.image_scale, keep_ratio=True),
    # predictions are brought to ori_shape
    dict(
        type='KeyMapper',
        mapping=dict(img_shape='img_shape'),
        auto_remap=False,
        remapping=dict(img_shape='ori_shape'),
    ),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    backbone=dict(style='caffe'),
    decode_head=dict(dilations=(6, 12), align_corners=True, loss_decode=dict(norm='valid')),
    unsup_loss=dict(norm='valid'),
    auxiliary_head=[
        dict(
            _base_.c3_contrast,
            in_channels=2048,
            min_pixels=21,
            exclude_classes=(0,),
            key_gradient=True,
            gather_keys=False,
            base_temperature=0.1,
        )
    ],
)
# the code counts an update for each of its 4 GPUs
custom_hooks = _base_.custom_hooks
custom_hooks[0].early_average = 4
