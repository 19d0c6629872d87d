_base_ = './sup_deeplabv3plus_r50-d16_1xb20-150k_voc12aug-1by8-321x321.py'

labeled_list = f'{_base_.data_root}/ImageSets/Segmentation/trainaug.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
