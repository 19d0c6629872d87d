_base_ = './pretrain_deeplabv3plus_r50-d16_4xb4-300k_voc12aug-2118-513x513.py'

labeled_list = f'{_base_.data_root}/ImageSets/Segmentation/trainaug.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
