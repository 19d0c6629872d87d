_base_ = './sup_deeplabv3plus_r50-d8_1xb4-10k_camvid-1by8-320x320.py'

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
