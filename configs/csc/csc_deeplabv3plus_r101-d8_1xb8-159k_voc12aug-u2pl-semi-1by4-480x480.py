_base_ = './csc_deeplabv3plus_r101-d8_1xb8-185k_voc12aug-u2pl-semi-1by8-480x480.py'

labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by4.txt'
unlabeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by4-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
max_iters = 159000
param_scheduler = [dict(_base_.param_scheduler[0], end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=15900)
