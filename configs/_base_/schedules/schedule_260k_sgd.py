# U2PL and CSC on Cityscapes 1/8: 200 epochs of the unlabelled images, 2 + 2 in a batch
max_iters = 260000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1.25e-3, momentum=0.9, weight_decay=5e-4),
)
poly = dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [poly]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=26000)
test_cfg = dict(type='TestLoop')
