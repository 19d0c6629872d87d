_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/voc12aug-semi.py',
    '../_base_/schedules/schedule_185k_sgd.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

num_classes = 21
crop_size = (480, 480)
labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by8.txt'
unlabeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by8-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
labeled_dataset.pipeline[3].crop_size = unlabeled_dataset.pipeline[3].crop_size = crop_size
# CutMix is all the strong augmentation
unlabeled_dataset.pipeline[-1].strong = [dict(type='PackSegInputs')]
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=crop_size)
model = dict(
    **_base_.csc,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    # the twin of the classifier; MMSeg's own auxiliary head is for Cityscapes alone
    auxiliary_head=[
        dict(
            _base_.csc_contrast,
            in_index='decode.classifier',
            in_channels=512,
            projector=dict(type='ConvNormProjector'),
        )
    ],
)
