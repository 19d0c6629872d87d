# CamVid, supervised only, on the labelled list; images at 320x240
dataset_type = 'CamVidDataset'
data_root = 'data/camvid'
crop_size = (160, 160)
image_scale = (320, 240)
labeled_list = 'data_lists/camvid/camvid.0@1by8.txt'

# rotation comes before the crop, so that its border (255 in the mask) is mostly cut away
# the weak augmentation of C3-SemiSeg: one scale, rotation, crop, flip
geometry = [
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    dict(type='RandomRotate', prob=1.0, degree=10, seg_pad_val=255),
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
                dict(type='Resize', scale=(240, 180), keep_ratio=True),
                dict(type='Resize', scale=(320, 240), keep_ratio=True),
                dict(type='Resize', scale=(400, 300), keep_ratio=True),
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
