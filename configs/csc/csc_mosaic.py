_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

csc = _base_.csc
csc.semi_train_cfg.burn_in = _base_.burn_in
csc.unsup_loss.ramp = dict(start=_base_.burn_in, length=_base_.burn_in)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **csc,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=9),
    # fewer pixels and a smaller bank than the paper's, which take most of the time on a CPU
    auxiliary_head=[
        dict(
            _base_.csc_contrast,
            in_channels=32,
            samples_per_class=8,
            enqueue_per_class=1,
            bank=dict(_base_.csc_contrast.bank, size=250),
        ),
    ],
)
