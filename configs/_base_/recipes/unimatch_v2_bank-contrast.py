# UniMatch V2 with the contrast of the class-wise memory bank
_base_ = './unimatch_v2.py'

contrast = dict(
    type='ClassBankContrastHead',
    in_index='decode',
    bank=dict(type='ClassMemoryBank', size=256),
    bank_start=_base_.semi_train_cfg.burn_in / 2,
    confidence=0.95,
    ramp=dict(start='burn_in'),
)
method = dict(auxiliary_head=[contrast])
custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook', interval=50)]
