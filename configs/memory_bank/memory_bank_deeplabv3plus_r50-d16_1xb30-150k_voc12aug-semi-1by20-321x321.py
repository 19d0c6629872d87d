_base_ = './memory_bank_deeplabv3plus_r50-d16_1xb30-150k_voc12aug-semi-1by8-321x321.py'

labeled_list = 'data_lists/voc12aug/voc12aug.0@1by20.txt'
unlabeled_list = 'data_lists/voc12aug/voc12aug.0@1by20-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))
