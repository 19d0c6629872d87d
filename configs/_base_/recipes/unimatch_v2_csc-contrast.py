# UniMatch V2 with the contrast of CSC
_base_ = ['./unimatch_v2.py', '../methods/csc_contrast.py']

method = dict(auxiliary_head=[_base_.small_csc_contrast])
custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook', interval=50)]
