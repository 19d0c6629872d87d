# The stages of tools/train_label_efficient.py, each a config of this folder
pretrain = 'pretrain_stdc1_camvid-1by8-160x160.py'
finetune = 'finetune_stdc1_camvid-1by8-160x160.py'
pseudo_label = dict(threshold=0.8)
semi_pretrain = 'pretrain_stdc1_camvid-semi-1by8-160x160.py'
semi_finetune = 'finetune_stdc1_camvid-semi-1by8-160x160.py'
