# 3,000 iterations of AdamW for a small net from scratch
max_iters = 3000
optim_wrapper = dict(
    type='BFloat16OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01)
)
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-6, power=0.9, begin=0, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
test_cfg = dict(type='TestLoop')
