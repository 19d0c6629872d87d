# BDD100K (10k images, 1280x720) as in C3-SemiSeg, supervised only, on the labelled list
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, train_loader, val_loader

dataset_type = 'BDD100KDataset'
data_root = 'data/bdd100k'
train_prefix = dict(img_path='images/10k/train', seg_map_path='labels/sem_seg/masks/train')
val_prefix = dict(img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val')
labeled_list = 'data_lists/bdd100k/bdd100k.0@1by8.txt'
crop_size = (512, 512)
image_scale = (1280, 720)
batch_size = 2
num_workers = 4
# rotation comes before the crop, so that its border (255 in the mask) is mostly cut away
geometry = dict(
    resize=dict(
        type='RandomChoiceResize',
        scales=[(960, 540), (1280, 720), (1600, 900)],
        resize_type='Resize',
        keep_ratio=True,
    ),
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
