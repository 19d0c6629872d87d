# FixMatch with an EMA teacher; in a config with this base, as with fixmatch.py:
#     model = dict(**_base_.fixmatch_ema, data_preprocessor=data_preprocessor)
_base_ = './fixmatch.py'

custom_hooks = _base_.ema_hooks
val_cfg = dict(type='TeacherStudentValLoop')
