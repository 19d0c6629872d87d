_base_ = [
    '../_base_/models/stdc1.py',
    '../_base_/datasets/camvid-semi.py',
    '../_base_/schedules/schedule_2k_adamw.py',
    '../_base_/methods/c3semiseg.py',
    '../_base_/default_runtime.py',
]

num_classes = 11
burn_in = 400
c3semiseg = _base_.c3semiseg
c3semiseg.semi_train_cfg.burn_in = burn_in
c3semiseg.unsup_loss.ramp = dict(start=burn_in, length=burn_in)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **c3semiseg,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[
        *[dict(head, num_classes=num_classes) for head in _base_.model.auxiliary_head],
        dict(_base_.c3_contrast, in_channels=256),
    ],
)
