_base_ = './sup_deeplabv3plus_r101-d8_1xb4-185k_voc12aug-u2pl-1by8-480x480.py'

labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by2.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
max_iters = 106000
param_scheduler = [dict(_base_.param_scheduler[0], end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=10600)
