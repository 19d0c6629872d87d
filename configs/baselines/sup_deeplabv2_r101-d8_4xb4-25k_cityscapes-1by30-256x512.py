_base_ = './sup_deeplabv2_r101-d8_4xb4-25k_cityscapes-1by8-256x512.py'

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
