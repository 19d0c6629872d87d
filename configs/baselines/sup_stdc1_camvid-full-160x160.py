_base_ = './sup_stdc1_camvid-1by8-160x160.py'

labeled_list = ''  # no list: all images of the folder
train_dataloader = dict(dataset=dict(ann_file=labeled_list))
