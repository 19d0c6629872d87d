_base_ = [
    '../_base_/recipes/c3semiseg.py',
    '../_base_/models/mobilenetv2_frozen.py',
    '../_base_/datasets/msrc21.py',
]

from mmseg_contrast.datasets.loaders import train_loader

data_preprocessor = dict(type=_base_.preprocessor, size=_base_.crop_size)
decode_head = dict(num_classes=_base_.num_classes)
model = dict(**_base_.method, data_preprocessor=data_preprocessor, decode_head=decode_head)
train_dataloader = train_loader(globals())
