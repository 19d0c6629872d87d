# PASCAL VOC 2012 with the extra masks of SBD, supervised only, on the labelled list.
# SegmentationClassAug must hold the masks of all 10,582 images of trainaug: MMSeg's converter
# writes those of SBD alone, so copy the masks that are missing from SegmentationClass into it
dataset_type = 'PascalVOCDataset'
data_root = 'data/VOCdevkit/VOC2012'
crop_size = (512, 512)
image_scale = (500, 500)  # the longer side of nearly all images, so that 1 is their own size
labeled_list = 'data_lists/voc12aug/voc12aug.0@1by8.txt'

geometry = [
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
]
sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    *geometry,
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale_factor=0.75, keep_ratio=True),
                dict(type='Resize', scale_factor=1.0, keep_ratio=True),
                dict(type='Resize', scale_factor=1.25, keep_ratio=True),
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
tta_model = dict(type='SegTTAModel')

labeled_dataset = dict(
    type=dataset_type,
    ann_file=labeled_list,
    data_prefix=dict(
        img_path=f'{data_root}/JPEGImages', seg_map_path=f'{data_root}/SegmentationClassAug'
    ),
    pipeline=sup_pipeline,
)
batch_size = 4
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    persistent_workers=True,
    # of one source: a resumed run goes on with the samples and the augmentation of an uninterrupted one
    sampler=dict(type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1]),
    dataset=dict(type='MultiSourceDataset', datasets=[labeled_dataset]),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
