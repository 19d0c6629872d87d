_base_ = './sup_deeplabv3plus_r50-d16_1xb7-150k_cityscapes-1by8-512x512.py'

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
