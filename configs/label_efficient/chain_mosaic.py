# The stages of tools/train_label_efficient.py, each a config of this folder
pretrain = 'pretrain_mosaic.py'
finetune = 'finetune_mosaic.py'
pseudo_label = dict(threshold=0.8)
semi_pretrain = 'pretrain_mosaic-semi.py'
semi_finetune = 'finetune_mosaic-semi.py'
