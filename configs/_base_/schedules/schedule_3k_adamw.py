# 3,000 iterations of AdamW for a small net from scratch
max_iters = 3000
# a net from scratch labels nothing well for long, and a teacher that does not know a class unteaches it:
# methods use the unlabelled images after so many iterations, and then more and more
semi_train_cfg = dict(burn_in=400)
ramp = dict(start='burn_in', length=400)
optim_wrapper = dict(
    type='BFloat16OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01)
)
poly = dict(type='PolyLR', eta_min=1e-6, power=0.9, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [poly]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
test_cfg = dict(type='TestLoop')
