_base_ = './sup_deeplabv3plus_r50-d8_1xb4-10k_camvid-1by8-320x320.py'

labeled_list = ''  # no list: all images of the folder
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
