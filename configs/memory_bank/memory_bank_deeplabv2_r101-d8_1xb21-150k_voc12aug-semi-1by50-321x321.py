_base_ = './memory_bank_deeplabv2_r101-d8_1xb21-150k_voc12aug-semi-1by8-321x321.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/voc12aug/voc12aug.0@1by50.txt'
unlabeled_list = 'data_lists/voc12aug/voc12aug.0@1by50-unlabeled.txt'
train_dataloader = train_loader(globals())
