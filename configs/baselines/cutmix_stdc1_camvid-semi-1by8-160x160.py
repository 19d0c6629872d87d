# C3-SemiSeg without region selection and contrast, mixing within each set alone
_base_ = '../c3semiseg/c3semiseg_stdc1_camvid-semi-1by8-160x160.py'

model = dict(selector=None, mixing=dict(pairs='intra'), auxiliary_head=_base_.supervised_heads)
