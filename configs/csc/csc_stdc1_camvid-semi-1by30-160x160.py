_base_ = './csc_stdc1_camvid-semi-1by8-160x160.py'

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
# 12 labels are fitted soon: the paper's weight
auxiliary_head = _base_.auxiliary_head
auxiliary_head[-1].loss_weight = 1.0
model = dict(auxiliary_head=auxiliary_head)
