# PASCAL VOC 2012 with the extra masks of SBD, supervised only, on the labelled list.
# SegmentationClassAug must hold the masks of all 10,582 images of trainaug: MMSeg's converter
# writes those of SBD alone, so copy the masks that are missing from SegmentationClass into it
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

dataset_type = 'PascalVOCDataset'
data_root = 'data/VOCdevkit/VOC2012'
train_prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug')
val_prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
val_list = 'ImageSets/Segmentation/val.txt'
labeled_list = 'data_lists/voc12aug/voc12aug.0@1by8.txt'
crop_size = (512, 512)
image_scale = (500, 500)  # the longer side of nearly all images, so that 1 is their own size
batch_size = 4
num_workers = 4
geometry = dict(
    resize=dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    crop=dict(type='RandomCrop', crop_size=crop_size),
    flip=dict(type='RandomFlip', prob=0.5),
)

test_pipeline = single_scale()
tta_pipeline = multi_scale()
tta_model = dict(type='SegTTAModel')
train_dataloader = train_loader(globals())
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
