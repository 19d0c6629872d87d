# Generated mosaics (96x96), supervised only, on the labelled list. Images and lists come from
# python tools/dataset_converters/mosaic.py data/mosaic
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

dataset_type = 'MosaicDataset'
data_root = 'data/mosaic'
train_prefix = dict(img_path='images/train', seg_map_path='annotations/train')
val_prefix = dict(img_path='images/val', seg_map_path='annotations/val')
labeled_list = f'{data_root}/lists/mosaic.0@8.txt'
crop_size = (64, 64)
batch_size = 8
num_workers = 1
# rotation comes before the crop, so that its border (255 in the mask) is mostly cut away
geometry = dict(
    rotate=dict(type='RandomRotate', prob=0.5, degree=10, seg_pad_val=255),
    crop=dict(type='RandomCrop', crop_size=crop_size),
    flip=dict(type='RandomFlip', prob=0.5),
)

test_pipeline = single_scale()
tta_pipeline = multi_scale(ratios=[1.0])
tta_model = dict(type='SegTTAModel')
train_dataloader = train_loader(globals())
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
