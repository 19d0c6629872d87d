# Cityscapes at full size (2048x1024), supervised only, on the labelled list
dataset_type = 'CityscapesDataset'
data_root = 'data/cityscapes'
crop_size = (512, 1024)
image_scale = (2048, 1024)
labeled_list = 'data_lists/cityscapes/cityscapes.0@1by8.txt'

# rotation comes before the crop, so that its border (255 in the mask) is mostly cut away
geometry = [
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomRotate', prob=0.5, degree=10, seg_pad_val=255),
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
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    # after `Resize`: predictions are compared with the mask at its original size
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(1536, 768), keep_ratio=True),
                dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
                dict(type='Resize', scale=(2560, 1280), keep_ratio=True),
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
        img_path=f'{data_root}/leftImg8bit/train', seg_map_path=f'{data_root}/gtFine/train'
    ),
    pipeline=sup_pipeline,
)
batch_size = 2
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
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
