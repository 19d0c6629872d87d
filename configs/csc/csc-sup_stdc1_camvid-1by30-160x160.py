# The contrast of CSC on labels alone, in MMSegmentation's own `EncoderDecoder`
_base_ = [
    '../baselines/sup_stdc1_camvid-1by8-160x160.py',
    '../_base_/methods/csc_contrast.py',
]

from mmseg_contrast.datasets.loaders import train_loader

model = dict(
    auxiliary_head=[
        *_base_.model.auxiliary_head,
        dict(
            _base_.small_csc_contrast,
            # a plain `EncoderDecoder` knows the stages of the backbone alone
            in_index=3,
            in_channels=256,
            num_classes=_base_.num_classes,
        ),
    ]
)
custom_hooks = [dict(type='ShareLogitsHook'), dict(type='MemoryBankHook', interval=50)]

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
train_dataloader = train_loader(globals())
