# The supervised half of what C3-SemiSeg's published code does beyond the paper
_base_ = './sup_deeplabv2_r101-d8_4xb4-25k_cityscapes-1by8-256x512.py'

from mmseg_contrast.datasets.loaders import single_scale_with_mask, train_loader, val_loader

# rotated after the crop
labeled_geometry = {name: _base_.geometry[name] for name in ('resize', 'crop', 'flip', 'rotate')}
train_dataloader = train_loader(globals())
# labels at half size, so no comparison with results on full-size labels
test_pipeline = single_scale_with_mask(_base_.image_scale)
val_dataloader = test_dataloader = val_loader(globals())

model = dict(
    backbone=dict(style='caffe'),
    decode_head=dict(dilations=(6, 12), align_corners=True, loss_decode=dict(norm='valid')),
)
