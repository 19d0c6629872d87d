# The contrast of CSC on a mean teacher
_base_ = [
    '../c3semiseg/c3semiseg_stdc1_camvid-semi-1by8-160x160.py',
    '../_base_/methods/csc_contrast.py',
]

model = dict(
    selector=None,
    mixing=None,
    auxiliary_head=[
        *_base_.supervised_heads,
        dict(_base_.small_csc_contrast, loss_weight=0.1),
    ],
)
custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook', interval=50)]
