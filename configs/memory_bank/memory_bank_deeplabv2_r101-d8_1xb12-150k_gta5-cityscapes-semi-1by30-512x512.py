_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/gta5-cityscapes-semi.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/memory_bank_published.py',
    '../_base_/default_runtime.py',
]

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by30-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
train_dataloader = dict(
    dataset=dict(datasets=[labeled_dataset, _base_.gta5_dataset, unlabeled_dataset])
)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[dict(_base_.bank_contrast, in_channels=2048, in_index=3)],
)
