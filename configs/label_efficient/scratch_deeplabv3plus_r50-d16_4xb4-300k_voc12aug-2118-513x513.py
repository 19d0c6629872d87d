# Without pretraining
_base_ = './finetune_deeplabv3plus_r50-d16_4xb4-50k_voc12aug-2118-513x513.py'

load_from = None
max_iters = 300000
optim_wrapper = dict(optimizer=dict(lr=0.03))
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
