# C3-SemiSeg without region selection and contrast, mixing within each set alone
_base_ = '../c3semiseg/c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

model = dict(selector=None, mixing=dict(pairs='intra'), auxiliary_head=None)
