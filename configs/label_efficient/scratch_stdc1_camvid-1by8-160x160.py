# The fine-tuning alone, as long as pretraining and fine-tuning together
_base_ = './finetune_stdc1_camvid-1by8-160x160.py'

load_from = None
# the pretraining is half as long as the fine-tuning
max_iters = 3 * _base_.max_iters // 2
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=3 * _base_.train_cfg.val_interval // 2)
