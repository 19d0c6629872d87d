_base_ = './sup_deeplabv3plus_r50-d16_1xb20-150k_voc12aug-1by8-321x321.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/voc12aug/voc12aug.0@1by50.txt'
train_dataloader = train_loader(globals())
