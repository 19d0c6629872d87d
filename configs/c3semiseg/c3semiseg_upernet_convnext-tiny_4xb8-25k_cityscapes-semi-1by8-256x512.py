_base_ = [
    '../_base_/models/upernet_convnext-tiny.py',
    '../_base_/datasets/cityscapes-semi.py',
    '../_base_/schedules/schedule_25k_adamw.py',
    '../_base_/methods/c3semiseg_published.py',
    '../_base_/default_runtime.py',
]

# lists of imports do not merge: all of them
custom_imports = dict(imports=['mmseg_contrast', 'mmpretrain.models'], allow_failed_imports=False)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.c3semiseg,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[
        *_base_.model.auxiliary_head,
        dict(_base_.c3_contrast, in_channels=768),
    ],
)
