# Plain MMSeg on the weights of the pretraining
_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/label_efficient.py',
    '../_base_/default_runtime.py',
]

load_from = f'work_dirs/pretrain_stdc1_camvid-1by30-160x160/iter_{_base_.max_iters}.pth'
# weaker than in the paper, as for the other methods on these images
brightness_and_contrast = dict(_base_.brightness_and_contrast, brightness=0.3, contrast=0.3)
labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
labeled_dataset = _base_.labeled_dataset
labeled_dataset.ann_file = labeled_list
labeled_dataset.pipeline[2].update(type='RandomResize', ratio_range=(0.75, 1.75))
labeled_dataset.pipeline = [
    *labeled_dataset.pipeline[:-1],
    brightness_and_contrast,
    dict(type='PackSegInputs'),
]
batch_size = _base_.train_dataloader.batch_size
train_dataloader = dict(
    batch_size=batch_size,
    # exact resume of order and augmentation
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1]),
    dataset=dict(_delete_=True, type='MultiSourceDataset', datasets=[labeled_dataset]),
)

data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor)
