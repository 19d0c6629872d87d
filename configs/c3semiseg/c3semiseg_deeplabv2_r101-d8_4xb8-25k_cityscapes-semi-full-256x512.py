_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

# no list: all 2,975 images with their labels, and the same images once more without
labeled_list = ''
unlabeled_list = ''
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
