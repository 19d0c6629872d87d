# CamVid, supervised only, on the labelled list; images at 320x240
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

dataset_type = 'CamVidDataset'
data_root = 'data/camvid'
train_prefix = dict(img_path='images/train', seg_map_path='annotations/train')
val_prefix = dict(img_path='images/val', seg_map_path='annotations/val')
labeled_list = 'data_lists/camvid/camvid.0@1by8.txt'
crop_size = (160, 160)
image_scale = (320, 240)
batch_size = 4
num_workers = 1
# the weak augmentation of C3-SemiSeg: one scale, rotation, crop, flip. Rotation comes before the crop, so
# that its border (255 in the mask) is mostly cut away
geometry = dict(
    resize=dict(type='Resize', scale=image_scale, keep_ratio=True),
    rotate=dict(type='RandomRotate', prob=1.0, degree=10, seg_pad_val=255),
    crop=dict(type='RandomCrop', crop_size=crop_size),
    flip=dict(type='RandomFlip', prob=0.5),
)

test_pipeline = single_scale(image_scale)
tta_pipeline = multi_scale(image_scale)
tta_model = dict(type='SegTTAModel')
train_dataloader = train_loader(globals())
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
