# C3-SemiSeg with the iterations of the published code, made for 20,000 and 25,000 of them
_base_ = './c3semiseg.py'

burn_in = 2250
c3semiseg = dict(
    unsup_loss=dict(ramp=dict(start=burn_in, length=4000)), semi_train_cfg=dict(burn_in=burn_in)
)
c3_contrast = dict(ramp=dict(start=0, length=250))
