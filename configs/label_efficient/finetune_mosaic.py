# Plain MMSeg on the weights of the pretraining
_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

load_from = f'work_dirs/pretrain_mosaic/iter_{_base_.max_iters}.pth'
colors = dict(jitter=_base_.brightness_and_contrast)
train_dataloader = train_loader(globals())

num_classes = 9
data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
)
