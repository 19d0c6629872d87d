_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240-semi.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/memory_bank.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

warmup = 400
memory_bank = _base_.memory_bank
memory_bank.mixing.strong.class_mix_start = warmup
memory_bank.unsup_loss = [dict(_base_.pseudo_loss, ramp=dict(start=warmup)), _base_.entropy_loss]
memory_bank.class_weights.start = warmup
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[
        *_base_.model.auxiliary_head,
        dict(
            _base_.bank_contrast,
            in_channels=256,
            bank_start=warmup // 2,
            ramp=dict(start=warmup),
        ),
    ],
)

# 4 labelled images and 2 unlabelled ones, of each of which 2 views are made on the device
batch_size = 6
source_ratio = [2, 1]
branches = dict(strong=None)
train_dataloader = train_loader(globals())
