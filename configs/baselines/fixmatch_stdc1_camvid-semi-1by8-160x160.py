_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-semi.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/fixmatch.py',
    '../_base_/default_runtime.py',
]

burn_in = 400
fixmatch = _base_.fixmatch
fixmatch.semi_train_cfg.burn_in = burn_in
fixmatch.unsup_loss.ramp = dict(start=burn_in, length=burn_in)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**fixmatch, data_preprocessor=data_preprocessor)
# weaker than in C3-SemiSeg: a net from scratch has no features yet that survive more
unlabeled_dataset = _base_.unlabeled_dataset
unlabeled_dataset.pipeline[-1].strong = [
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(datasets=[_base_.labeled_dataset, unlabeled_dataset]))
