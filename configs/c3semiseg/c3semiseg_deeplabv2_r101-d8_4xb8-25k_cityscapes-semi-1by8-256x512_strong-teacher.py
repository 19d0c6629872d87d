# Table 5, first row: the teacher sees strong augmentation too
_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

unlabeled_dataset = _base_.unlabeled_dataset
unlabeled_dataset.pipeline[-1].weak = _base_.strong_pipeline
train_dataloader = dict(dataset=dict(datasets=[_base_.labeled_dataset, unlabeled_dataset]))
