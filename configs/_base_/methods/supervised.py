# Labels alone, with plain MMSeg
custom_hooks = [dict(type='CheckSetupHook')]
val_cfg = dict(type='ValLoop')
