# The fine-tuning alone, as long as pretraining and fine-tuning together
_base_ = './finetune_mosaic.py'

load_from = None
max_iters = 2 * _base_.max_iters
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=2 * _base_.train_cfg.val_interval)
