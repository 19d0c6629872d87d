# The stages of tools/train_label_efficient.py, each a config of this folder
pretrain = 'pretrain_deeplabv3plus_r50-d16_4xb4-300k_voc12aug-2118-513x513.py'
finetune = 'finetune_deeplabv3plus_r50-d16_4xb4-50k_voc12aug-2118-513x513.py'
pseudo_label = dict(threshold=0.8, class_thresholds=dict(background=0.97))
semi_pretrain = 'pretrain_deeplabv3plus_r50-d16_4xb5-300k_voc12aug-semi-2118-513x513.py'
semi_finetune = 'finetune_deeplabv3plus_r50-d16_4xb5-300k_voc12aug-semi-2118-513x513.py'
# --labels draws from these
train_list = 'data/VOCdevkit/VOC2012/ImageSets/Segmentation/trainaug.txt'
# section 5.3: iterations with up to so many labels, and with more
lengths = dict(
    many_labels=2500, finetune=(50000, 300000), scratch=(300000, 600000), scratch_lr=0.03
)
