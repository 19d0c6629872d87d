_base_ = './sup_deeplabv2_r101-d8_1xb5-150k_cityscapes-1by30-512x512.py'

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by4.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
