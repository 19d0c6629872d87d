# MSRC-21, supervised only, on the labelled list of 21 photos; photos of 320x213 at 448x300
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

dataset_type = 'MSRC21Dataset'
data_root = 'data/msrc21'
train_prefix = dict(img_path='images/train', seg_map_path='annotations/train')
val_prefix = dict(img_path='images/val', seg_map_path='annotations/val')
labeled_list = 'data_lists/msrc21/msrc21.0@21.txt'
crop_size = (224, 224)
image_scale = (448, 300)
batch_size = 4
num_workers = 1
geometry = dict(
    resize=dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    crop=dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    flip=dict(type='RandomFlip', prob=0.5),
)

test_pipeline = single_scale(image_scale)
tta_pipeline = multi_scale(image_scale)
tta_model = dict(type='SegTTAModel')
train_dataloader = train_loader(globals())
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
