_base_ = './pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513.py'

labeled_list = ''  # no list: all images of the folder
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
