# Cityscapes at half size (1024x512) as in C3-SemiSeg, supervised only, on the labelled list
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

dataset_type = 'CityscapesDataset'
data_root = 'data/cityscapes'
train_prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
val_prefix = dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')
img_suffix = '_leftImg8bit.png'
labeled_list = 'data_lists/cityscapes/cityscapes.0@1by8.txt'
crop_size = (256, 512)
image_scale = (1024, 512)
batch_size = 4
num_workers = 4
# rotation comes before the crop, so that its border (255 in the mask) is mostly cut away
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
