_base_ = [
    '../_base_/models/stdc1.py',
    '../_base_/datasets/camvid-semi.py',
    '../_base_/schedules/schedule_2k_adamw.py',
    '../_base_/methods/fixmatch.py',
    '../_base_/default_runtime.py',
]

num_classes = 11
class_weight = _base_.class_weight
burn_in = 800
fixmatch = _base_.fixmatch
fixmatch.semi_train_cfg.burn_in = burn_in
fixmatch.unsup_loss.ramp = dict(start=burn_in, length=400)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **fixmatch,
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
# weaker than in C3-SemiSeg: a net from scratch has no features yet that survive more
unlabeled_dataset = _base_.unlabeled_dataset
unlabeled_dataset.pipeline[-1].strong = [
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(datasets=[_base_.labeled_dataset, unlabeled_dataset]))
