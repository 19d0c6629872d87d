# 20,000 iterations of Adam, as C3-SemiSeg trains on BDD100K
max_iters = 20000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1.2e-4, weight_decay=0),
    # the published code says 0.1, but steps each tensor of the backbone three times an iteration
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3))),
)
poly = dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [poly]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=2000)
test_cfg = dict(type='TestLoop')
