# Labels alone, with plain MMSeg
val_cfg = dict(type='ValLoop')
