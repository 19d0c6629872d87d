_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/voc12aug-321x321.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

num_classes = 21
data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor, decode_head=dict(num_classes=num_classes))
batch_size = 20
train_dataloader = train_loader(globals())
optim_wrapper = dict(optimizer=dict(lr=4e-4))
