# The stages of tools/train_label_efficient.py, each a config of this folder
pretrain = 'pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513.py'
finetune = 'finetune_deeplabv3plus_r50-d16_4xb4-50k_cityscapes-596-513x513.py'
pseudo_label = dict(threshold=0.8)
semi_pretrain = 'pretrain_deeplabv3plus_r50-d16_4xb5-300k_cityscapes-semi-596-513x513.py'
semi_finetune = 'finetune_deeplabv3plus_r50-d16_4xb5-300k_cityscapes-semi-596-513x513.py'
# --labels draws from these
train_list = ''  # all images of the folder
# section 5.3: iterations with up to so many labels, and with more
lengths = dict(
    many_labels=1000, finetune=(50000, 300000), scratch=(300000, 600000), scratch_lr=0.03
)
