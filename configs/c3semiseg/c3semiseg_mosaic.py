_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/c3semiseg.py',
    '../_base_/default_runtime.py',
]

# a smaller weight than for the paper's pretrained net
c3semiseg = _base_.c3semiseg
c3semiseg.semi_train_cfg.burn_in = _base_.burn_in
c3semiseg.unsup_loss.loss_weight = 1.0
c3semiseg.unsup_loss.ramp.length = _base_.burn_in
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **c3semiseg,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=9),
    # stride 4; fewer pixels than the paper's 20, which take most of the time on a CPU
    auxiliary_head=[
        dict(
            _base_.c3_contrast,
            in_channels=32,
            in_index=0,
            samples_per_class=8,
            ramp=dict(start=0, length=250),
        ),
    ],
)
