_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/voc12aug-semi-321x321.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/memory_bank_published.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

num_classes = 21
memory_bank = _base_.memory_bank
# class balancing does not help there (section 4.2)
memory_bank.class_weights = None
memory_bank.mixing.background = 0
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **memory_bank,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    # the classifier sees stride 4: as many positions as at the paper's stride 8
    auxiliary_head=[dict(_base_.bank_contrast, max_pixels=33620)],
)
batch_size = 30
source_ratio = [20, 10]
train_dataloader = train_loader(globals())
optim_wrapper = dict(optimizer=dict(lr=4e-4))
