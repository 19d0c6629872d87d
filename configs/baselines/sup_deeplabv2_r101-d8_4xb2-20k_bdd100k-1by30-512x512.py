_base_ = './sup_deeplabv2_r101-d8_4xb2-20k_bdd100k-1by8-512x512.py'

labeled_list = 'data_lists/bdd100k/bdd100k.0@1by30.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
