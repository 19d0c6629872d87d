# Plain MMSeg on the weights of the pretraining
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/voc12aug.py',
    '../_base_/schedules/schedule_300k_sgd.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

load_from = (
    'work_dirs/pretrain_deeplabv3plus_r50-d16_4xb4-300k_voc12aug-2118-513x513/iter_300000.pth'
)
crop_size = (513, 513)
labeled_list = 'data_lists/voc12aug/voc12aug.0@2118.txt'
batch_size = 4
geometry = dict(crop=dict(crop_size=crop_size))
colors = dict(jitter=_base_.brightness_and_contrast)
train_dataloader = train_loader(globals())

max_iters = 50000
optim_wrapper = dict(optimizer=dict(lr=0.007))
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)

data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(init_cfg=None),
    decode_head=dict(num_classes=21),
)
