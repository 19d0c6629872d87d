_base_ = [
    '../_base_/models/stdc1.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/schedule_2k_adamw.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

num_classes = 11
class_weight = _base_.class_weight
data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes, loss_decode=dict(class_weight=class_weight)),
    auxiliary_head=[
        dict(
            head,
            num_classes=num_classes,
            loss_decode=dict(head.loss_decode, class_weight=class_weight),
        )
        for head in _base_.model.auxiliary_head
    ],
)
