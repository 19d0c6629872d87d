_base_ = './sup_stdc1_camvid-1by8-160x160.py'

labeled_list = 'data_lists/camvid/camvid.0@1by4.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))
