# The supervised half of what C3-SemiSeg's published code does beyond the paper
_base_ = './sup_deeplabv2_r101-d8_4xb4-25k_cityscapes-1by8-256x512.py'

labeled_dataset = _base_.labeled_dataset
resize, rotate, crop, flip = _base_.geometry
labeled_dataset.pipeline[2:6] = [resize, crop, flip, rotate]
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))

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
)
