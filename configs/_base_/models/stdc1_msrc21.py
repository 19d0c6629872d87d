# STDC1 for the 21 classes of MSRC-21
_base_ = './stdc1.py'

num_classes = 21
model = dict(
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[dict(head, num_classes=num_classes) for head in _base_.model.auxiliary_head],
)
