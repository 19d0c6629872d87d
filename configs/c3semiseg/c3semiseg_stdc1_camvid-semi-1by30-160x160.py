_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240-semi-mild.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/c3semiseg.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())

c3semiseg = _base_.c3semiseg
c3semiseg.semi_train_cfg = _base_.semi_train_cfg
# 2.63, the weight for a pretrained net, unteaches a net from scratch the classes that it knows least
c3semiseg.unsup_loss.loss_weight = 1.0
c3semiseg.unsup_loss.ramp = _base_.ramp
# the average comes to a stop with the learning rate, or mistakes go on teaching themselves to the end
mean_teacher = dict(_base_.mean_teacher, schedule='cosine')
custom_hooks = [mean_teacher, _base_.diagnostics]
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **c3semiseg,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[
        *_base_.model.auxiliary_head,
        dict(_base_.c3_contrast, in_channels=256, ramp=dict(start=0, length=250)),
    ],
)
