# SGD with a cosine schedule, as Zhao et al. train from scratch; lengths and rates differ by stage
max_iters = 300000
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-5)
)
cosine = dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [cosine]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=10000)
test_cfg = dict(type='TestLoop')
