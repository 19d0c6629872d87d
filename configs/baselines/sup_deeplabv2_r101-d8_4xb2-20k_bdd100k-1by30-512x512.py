_base_ = './sup_deeplabv2_r101-d8_4xb2-20k_bdd100k-1by8-512x512.py'

labeled_list = 'data_lists/bdd100k/bdd100k.0@1by30.txt'
train_dataloader = dict(dataset=dict(ann_file=labeled_list))
