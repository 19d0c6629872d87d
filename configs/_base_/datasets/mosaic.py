# Generated mosaics (96x96), supervised only, on the labelled list. Images and lists come from
# python tools/dataset_converters/mosaic.py data/mosaic
dataset_type = 'MosaicDataset'
data_root = 'data/mosaic'
crop_size = (64, 64)
labeled_list = f'{data_root}/lists/mosaic.0@8.txt'

# rotation comes before the crop, so that its border (255 in the mask) is mostly cut away
geometry = [
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
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale_factor=1.0, keep_ratio=True),
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
batch_size = 8
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
