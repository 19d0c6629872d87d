# What the published code does beyond the paper, as far as it has options; README.md has each of them,
# and what is not reproduced
_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

from mmseg_contrast.datasets.loaders import single_scale_with_mask, train_loader, val_loader

# labelled: rotated after the crop; unlabelled: before the resize, and the border counts as image
steps = _base_.geometry
labeled_geometry = {name: steps[name] for name in ('resize', 'crop', 'flip', 'rotate')}
unlabeled_geometry = dict(
    rotate=dict(steps.rotate, seg_pad_val=0), resize=steps.resize, crop=steps.crop, flip=steps.flip
)
train_dataloader = train_loader(globals())
# labels at half size, so no comparison with results on full-size labels
test_pipeline = single_scale_with_mask(_base_.image_scale)
val_dataloader = test_dataloader = val_loader(globals())

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
mean_teacher = dict(_base_.mean_teacher, early_average=4)
custom_hooks = [mean_teacher, _base_.diagnostics]
