# CamVid at its size of 480x360; list 0 of 12 labelled frames. For the recipes.
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, val_loader

dataset_type = 'CamVidDataset'
num_classes = 11
data_root = 'data/camvid'
train_prefix = dict(img_path='images/train', seg_map_path='annotations/train')
val_prefix = dict(img_path='images/val', seg_map_path='annotations/val')
labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
image_scale = (480, 360)
crop_size = (192, 192)
num_workers = 1

test_pipeline = single_scale(image_scale)
tta_pipeline = multi_scale(image_scale)
tta_model = dict(type='SegTTAModel')
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
