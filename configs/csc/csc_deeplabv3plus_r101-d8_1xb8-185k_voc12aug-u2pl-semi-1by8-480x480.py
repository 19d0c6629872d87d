_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/voc12aug-semi.py',
    '../_base_/schedules/schedule_185k_sgd.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

num_classes = 21
crop_size = (480, 480)
labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by8.txt'
unlabeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by8-unlabeled.txt'
geometry = dict(crop=dict(crop_size=crop_size))
# CutMix is all the strong augmentation
branches = dict(strong=dict(jitter=None, rand_augment=None))
train_dataloader = train_loader(globals())

# the twin of the classifier
contrast = dict(
    _base_.csc_contrast,
    in_index='decode.classifier',
    in_channels=512,
    projector=dict(type='ConvNormProjector'),
)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=crop_size)
model = dict(
    **_base_.csc,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    # MMSeg's own auxiliary head is for Cityscapes alone
    auxiliary_head=[contrast],
)
