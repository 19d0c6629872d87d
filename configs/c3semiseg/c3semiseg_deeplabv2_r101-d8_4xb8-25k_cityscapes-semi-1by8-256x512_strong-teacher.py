# Table 5, "S+R" and "S+R": the teacher sees a strong view too, drawn on its own; as that table without
# contrast
_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

from mmseg_contrast.datasets.loaders import train_loader

branches = dict(strong2=_base_.branches.strong)
train_dataloader = train_loader(globals())
model = dict(semi_train_cfg=dict(teacher_view='strong2'), auxiliary_head=None)
