_base_ = './sup_deeplabv3plus_r101-d8_1xb2-260k_cityscapes-u2pl-1by8-640x640.py'

labeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by16.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
max_iters = 279000
param_scheduler = [dict(_base_.param_scheduler[0], end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=27900)
