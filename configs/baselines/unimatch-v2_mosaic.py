_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/unimatch_v2.py',
    '../_base_/default_runtime.py',
]

burn_in = 400
unimatch_v2 = _base_.unimatch_v2
unimatch_v2.semi_train_cfg.burn_in = burn_in
unimatch_v2.unsup_loss.ramp = dict(start=burn_in, length=burn_in)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**unimatch_v2, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))

# a second strong view, drawn on its own
branch_field = ['sup', 'weak', 'strong', 'strong2']
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.pipeline[-1].branch_field = branch_field
unlabeled_dataset.pipeline[-1].branch_field = branch_field
unlabeled_dataset.pipeline[-1].strong2 = unlabeled_dataset.pipeline[-1].strong
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
