_base_ = './memory_bank_deeplabv2_r101-d8_1xb7-150k_cityscapes-semi-1by30-512x512.py'

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by15.txt'
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by15-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
