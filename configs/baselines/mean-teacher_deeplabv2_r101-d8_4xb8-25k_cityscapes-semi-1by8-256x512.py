# C3-SemiSeg without region selection, mixing and contrast
_base_ = '../c3semiseg/c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

model = dict(selector=None, mixing=None, auxiliary_head=None)
