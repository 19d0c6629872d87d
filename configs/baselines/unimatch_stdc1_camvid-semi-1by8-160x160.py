_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240-semi.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/unimatch.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

unimatch = _base_.unimatch
unimatch.semi_train_cfg.burn_in = _base_.burn_in
unimatch.unsup_loss.ramp = dict(start=_base_.burn_in, length=_base_.burn_in)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**unimatch, data_preprocessor=data_preprocessor)
# weaker than in C3-SemiSeg: a net from scratch has no features yet that survive more
jitter = dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
strong = dict(jitter=jitter, rand_augment=None)
# a second strong view, drawn on its own
branches = dict(strong=strong, strong2=strong)
train_dataloader = train_loader(globals())
