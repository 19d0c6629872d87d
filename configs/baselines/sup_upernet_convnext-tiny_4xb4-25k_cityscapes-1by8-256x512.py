_base_ = [
    '../_base_/models/upernet_convnext-tiny.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/schedule_25k_adamw.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

# lists of imports do not merge: all of them
custom_imports = dict(imports=['mmseg_contrast', 'mmpretrain.models'], allow_failed_imports=False)
data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor)
