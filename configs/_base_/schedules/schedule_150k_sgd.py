# 150,000 iterations of SGD, as the class-wise memory bank trains DeepLabV2 (V3+: lr=4e-4)
max_iters = 150000
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=2e-4, momentum=0.9, weight_decay=5e-4)
)
poly = dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [poly]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=5000)
test_cfg = dict(type='TestLoop')
