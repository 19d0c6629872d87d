_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/voc12aug.py',
    '../_base_/schedules/schedule_185k_sgd.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

num_classes = 21
crop_size = (480, 480)
labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by8.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
labeled_dataset.pipeline[3].crop_size = crop_size
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset]))

data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    # an auxiliary head on Cityscapes alone
    auxiliary_head=None,
)
