# MSRC-21, photos of 320x213 read at 448x300; list 0 of 21 labelled photos. For the recipes.
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, val_loader

dataset_type = 'MSRC21Dataset'
num_classes = 21
data_root = 'data/msrc21'
train_prefix = dict(img_path='images/train', seg_map_path='annotations/train')
val_prefix = dict(img_path='images/val', seg_map_path='annotations/val')
labeled_list = 'data_lists/msrc21/msrc21.0@21.txt'
unlabeled_list = 'data_lists/msrc21/msrc21.0@21-unlabeled.txt'
image_scale = (448, 300)
crop_size = (192, 192)
num_workers = 1

test_pipeline = single_scale(image_scale)
tta_pipeline = multi_scale(image_scale)
tta_model = dict(type='SegTTAModel')
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
