# Plain MMSeg on the weights of the pretraining
_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

load_from = f'work_dirs/pretrain_stdc1_camvid-1by30-160x160/iter_{_base_.max_iters}.pth'
labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
geometry = dict(resize=dict(type='RandomResize', ratio_range=(0.75, 1.75)))
# weaker than in the paper, as for the other methods on these images
brightness_and_contrast = dict(_base_.brightness_and_contrast, brightness=0.3, contrast=0.3)
colors = dict(jitter=brightness_and_contrast)
train_dataloader = train_loader(globals())

data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor)
