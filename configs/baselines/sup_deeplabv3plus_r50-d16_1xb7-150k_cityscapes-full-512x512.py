_base_ = './sup_deeplabv3plus_r50-d16_1xb7-150k_cityscapes-1by8-512x512.py'

labeled_list = ''  # no list: all images of the folder
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
