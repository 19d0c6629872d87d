# The recipe of C3-SemiSeg with the contrast of CSC in the place of its own
_base_ = [
    '../c3semiseg/c3semiseg_stdc1_camvid-semi-1by8-160x160.py',
    '../_base_/methods/csc_contrast.py',
]

from mmseg_contrast.datasets.loaders import train_loader

model = dict(
    auxiliary_head=[
        *_base_.supervised_heads,
        dict(_base_.small_csc_contrast),
    ],
)
custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook', interval=50)]

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
