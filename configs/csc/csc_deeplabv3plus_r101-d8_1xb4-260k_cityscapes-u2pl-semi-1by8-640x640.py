_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/cityscapes-semi-full.py',
    '../_base_/schedules/schedule_260k_sgd.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

crop_size = (640, 640)
labeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by8.txt'
unlabeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by8-unlabeled.txt'
labeled_dataset = _base_.labeled_dataset
unlabeled_dataset = _base_.unlabeled_dataset
labeled_dataset.ann_file = labeled_list
unlabeled_dataset.ann_file = unlabeled_list
resize, rotate, crop, flip = labeled_dataset.pipeline[2:6]
geometry = [resize, dict(crop, crop_size=crop_size), flip]
labeled_dataset.pipeline[2:6] = unlabeled_dataset.pipeline[2:6] = geometry
# CutMix is all the strong augmentation
unlabeled_dataset.pipeline[-1].strong = [dict(type='PackSegInputs')]
train_dataloader = dict(dataset=dict(datasets=[labeled_dataset, unlabeled_dataset]))

csc = _base_.csc
csc.selector.threshold = 0.0
# hard pixels of the whole batch, in both heads
sampler = dict(type='BatchOHEMPixelSampler', thresh=0.7, min_kept=100000)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=crop_size)
model = dict(
    **csc,
    data_preprocessor=data_preprocessor,
    decode_head=dict(sampler=sampler),
    # the last is the twin of the classifier
    auxiliary_head=[
        dict(_base_.model.auxiliary_head[0], sampler=sampler),
        dict(
            _base_.csc_contrast,
            in_index='decode.classifier',
            in_channels=512,
            projector=dict(type='ConvNormProjector'),
        ),
    ],
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(427, 427)),
)
