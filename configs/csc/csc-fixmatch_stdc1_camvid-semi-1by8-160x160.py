# The contrast of CSC on FixMatch
_base_ = [
    '../baselines/fixmatch_stdc1_camvid-semi-1by8-160x160.py',
    '../_base_/methods/csc_contrast.py',
]

model = dict(
    auxiliary_head=[
        *_base_.model.auxiliary_head,
        dict(_base_.small_csc_contrast, loss_weight=0.1),
    ],
)
custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook', interval=50)]
