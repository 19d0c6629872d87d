# Labelled Cityscapes at half size, labelled GTA5 as another domain, and unlabelled Cityscapes,
# 5 + 5 + 2 per process, crops of 512x512; views of the unlabelled images are made on the device
_base_ = './cityscapes.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (512, 512)
geometry = dict(rotate=None, crop=dict(crop_size=crop_size))
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 12
source_ratio = [5, 5, 2]
branches = dict(weak={})
source_domain = dict(
    dataset_type='GTA5Dataset',
    data_root='data/gta',
    train_prefix=dict(img_path='images', seg_map_path='labels'),
    labeled_list=None,
    geometry=dict(resize=dict(scale=(957, 526))),
    labeled_branches=dict(source={}),
)
train_dataloader = train_loader(globals())
