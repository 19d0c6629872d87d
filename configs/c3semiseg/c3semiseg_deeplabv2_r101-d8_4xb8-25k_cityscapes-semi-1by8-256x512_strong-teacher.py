# Table 5, "S+R" and "S+R": the teacher sees a strong view too, drawn on its own; as that table without
# contrast
_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

branch_field = ['sup', 'weak', 'strong', 'strong2']
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.pipeline[-1].branch_field = branch_field
unlabeled_dataset.pipeline[-1].branch_field = branch_field
unlabeled_dataset.pipeline[-1].strong2 = unlabeled_dataset.pipeline[-1].strong
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
model = dict(semi_train_cfg=dict(teacher_view='strong2'), auxiliary_head=None)
