# The class-wise memory bank with the iterations of the paper, made for 150,000 of them
_base_ = './memory_bank.py'

warmup = 2000
memory_bank = _base_.memory_bank
memory_bank.mixing.strong.class_mix_start = warmup
memory_bank.unsup_loss[0].ramp.start = warmup
memory_bank.class_weights.start = warmup
bank_contrast = dict(bank_start=warmup // 2, ramp=dict(start=warmup))
