# STDC1 for the 11 classes of CamVid
_base_ = './stdc1.py'

num_classes = 11
# (median(f) / f)^(1/4) of the pixel frequencies f in the 12 images of `camvid.0@1by30.txt`: without it a
# net from scratch learns poles, signs and fences last, or never
class_weight = [0.78, 0.66, 1.54, 0.62, 0.93, 0.89, 1.48, 1.68, 1.0, 1.53, 1.68]
supervised_heads = [
    dict(
        head,
        num_classes=num_classes,
        loss_decode=dict(head.loss_decode, class_weight=class_weight),
    )
    for head in _base_.model.auxiliary_head
]
model = dict(
    decode_head=dict(num_classes=num_classes, loss_decode=dict(class_weight=class_weight)),
    auxiliary_head=supervised_heads,
)
