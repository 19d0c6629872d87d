# MSRC-21, supervised only, on the labelled list of 21 photos; photos of 320x213 at 448x300
dataset_type = 'MSRC21Dataset'
data_root = 'data/msrc21'
crop_size = (224, 224)
image_scale = (448, 300)
labeled_list = 'data_lists/msrc21/msrc21.0@21.txt'

geometry = [
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
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
                dict(type='Resize', scale=(336, 225), keep_ratio=True),
                dict(type='Resize', scale=(448, 300), keep_ratio=True),
                dict(type='Resize', scale=(560, 375), keep_ratio=True),
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
        img_path=f'{data_root}/images/train', seg_map_path=f'{data_root}/annotations/train'
    ),
    pipeline=sup_pipeline,
)
batch_size = 4
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    persistent_workers=True,
    # of one source: a resumed run goes on with the samples and the augmentation of an uninterrupted one
    sampler=dict(type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1]),
    dataset=dict(type='MultiSourceDataset', datasets=[labeled_dataset]),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/val', seg_map_path='annotations/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
