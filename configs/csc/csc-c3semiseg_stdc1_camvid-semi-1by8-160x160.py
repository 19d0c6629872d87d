# The recipe of C3-SemiSeg with the contrast of CSC in the place of its own
_base_ = [
    '../c3semiseg/c3semiseg_stdc1_camvid-semi-1by8-160x160.py',
    '../_base_/methods/csc_contrast.py',
]

model = dict(
    auxiliary_head=[
        *_base_.supervised_heads,
        dict(_base_.small_csc_contrast, loss_weight=0.1),
    ],
)
custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook', interval=50)]
