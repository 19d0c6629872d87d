# C3-SemiSeg with the iterations of the published code, made for 20,000 and 25,000 of them, and the means
# of Eq. 1 and 2: of each image, then of the batch
_base_ = './c3semiseg.py'

c3semiseg = dict(
    unsup_loss=dict(norm='image', ramp=dict(length=4000)),
    semi_train_cfg=dict(burn_in=2250),
)
c3_contrast = dict(ramp=dict(start=0, length=250))
