# What all methods share when they are compared: steps, schedule, batch and geometry. The recipes
# beside this file put the published parts of a method on top; a net and a data set complete them:
#     _base_ = ['../_base_/recipes/c3semiseg.py', '../_base_/models/mobilenetv2.py',
#               '../_base_/datasets/msrc21.py']
#     data_preprocessor = dict(type=_base_.preprocessor, size=_base_.crop_size)
#     decode_head = dict(num_classes=_base_.num_classes)
#     model = dict(
#         **_base_.method, data_preprocessor=data_preprocessor, decode_head=decode_head)
#     train_dataloader = train_loader(globals())
preprocessor = 'SegDataPreProcessor'
max_iters = 1000
batch_size = 4
source_ratio = [1]
# of labelled and unlabelled images; sizes are image_scale and crop_size of the data set
geometry = dict(
    resize=dict(type='RandomResize', ratio_range=(0.5, 2.0), keep_ratio=True),
    crop=dict(type='RandomCrop', cat_max_ratio=0.75),
    flip=dict(type='RandomFlip', prob=0.5),
)

poly = dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=max_iters, by_epoch=False)
param_scheduler = [poly]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters // 4)
test_cfg = dict(type='TestLoop')
