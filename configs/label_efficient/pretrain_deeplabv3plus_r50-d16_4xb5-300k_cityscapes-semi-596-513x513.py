# Labels and the pseudo-labels of chain_deeplabv3plus_r50-d16_cityscapes-596-513x513.py
_base_ = './pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513.py'

unlabeled_list = 'data_lists/cityscapes/cityscapes.0@596-unlabeled.txt'
pseudo_labels = 'work_dirs/chain_deeplabv3plus_r50-d16_cityscapes-596-513x513/pseudo_labels/masks'
batch_size = 5
labeled_dataset = _base_.labeled_dataset
pseudo_dataset = dict(
    labeled_dataset,
    ann_file=unlabeled_list,
    data_prefix=dict(img_path=labeled_dataset.data_prefix.img_path, seg_map_path=pseudo_labels),
    seg_map_suffix='.png',
)
# one image in five is labelled, as in the union of both sets, which the paper draws from
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size, source_ratio=[1, 4]),
    dataset=dict(datasets=[labeled_dataset, pseudo_dataset]),
)
