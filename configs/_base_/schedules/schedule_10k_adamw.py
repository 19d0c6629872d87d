# 10,000 iterations of AdamW for a pretrained convolutional net on a small data set
max_iters = 10000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3))),
)
poly = dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [poly]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
test_cfg = dict(type='TestLoop')
