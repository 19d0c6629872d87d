_base_ = [
    '../_base_/models/stdc1.py',
    '../_base_/datasets/camvid-semi.py',
    '../_base_/schedules/schedule_2k_adamw.py',
    '../_base_/methods/c3semiseg.py',
    '../_base_/default_runtime.py',
]

num_classes = 11
burn_in = 400
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
auxiliary_head = _base_.model.auxiliary_head
auxiliary_head[0].num_classes = num_classes
auxiliary_head[1].num_classes = num_classes
model = dict(
    **_base_.c3semiseg,
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[
        *auxiliary_head,
        dict(**_base_.c3_contrast, in_channels=256),
    ],
)
model['data_preprocessor'] = data_preprocessor
model['unsup_loss']['ramp'] = dict(start=burn_in, length=burn_in)
model['semi_train_cfg'] = dict(burn_in=burn_in)
val_cfg = dict(type='TeacherStudentValLoop')
custom_hooks = _base_.semi_hooks
