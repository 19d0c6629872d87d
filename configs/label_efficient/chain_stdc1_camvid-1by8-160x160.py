# The stages of tools/train_label_efficient.py, each a config of this folder
pretrain = 'pretrain_stdc1_camvid-1by8-160x160.py'
finetune = 'finetune_stdc1_camvid-1by8-160x160.py'
# above 0.8, as in the paper, and in any case the surest half of each class: hardly a pixel of the rare ones
# exceeds it, and the second half of the chain forgets them
pseudo_label = dict(threshold=0.8, keep_ratio=0.5, tta=True)
semi_pretrain = 'pretrain_stdc1_camvid-semi-1by8-160x160.py'
semi_finetune = 'finetune_stdc1_camvid-semi-1by8-160x160.py'
