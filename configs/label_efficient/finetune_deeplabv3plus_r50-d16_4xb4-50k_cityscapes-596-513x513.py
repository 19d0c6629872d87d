# Plain MMSeg on the weights of the pretraining
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/cityscapes-full.py',
    '../_base_/schedules/schedule_300k_sgd.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

load_from = (
    'work_dirs/pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513/iter_300000.pth'
)
crop_size = (513, 513)
labeled_list = 'data_lists/cityscapes/cityscapes.0@596.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
# left-right flips and scaling, no rotation
resize, _, crop, flip = _base_.geometry
crop.crop_size = crop_size
labeled_dataset.pipeline = [
    *labeled_dataset.pipeline[:2],
    resize,
    crop,
    flip,
    _base_.brightness_and_contrast,
    dict(type='PackSegInputs'),
]
batch_size = 4
train_dataloader = dict(
    batch_size=batch_size,
    # exact resume of order and augmentation
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1]),
    dataset=dict(_delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset]),
)

max_iters = 50000
optim_wrapper = dict(optimizer=dict(lr=0.007))
param_scheduler = [dict(_base_.param_scheduler[0], end=max_iters)]
train_cfg = dict(max_iters=max_iters)

data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(init_cfg=None),
    decode_head=dict(num_classes=19),
)
