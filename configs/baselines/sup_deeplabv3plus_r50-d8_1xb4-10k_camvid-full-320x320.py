_base_ = './sup_deeplabv3plus_r50-d8_1xb4-10k_camvid-1by8-320x320.py'

labeled_list = ''  # no list: all images of the folder
train_dataloader = dict(dataset=dict(ann_file=labeled_list))
