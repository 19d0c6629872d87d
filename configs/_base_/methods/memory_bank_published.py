# The class-wise memory bank with the iterations of the paper, made for 150,000 of them
_base_ = './memory_bank.py'

warmup = 2000
pseudo_loss = dict(_base_.pseudo_loss, ramp=dict(start=warmup))
memory_bank = dict(
    mixing=dict(strong=dict(class_mix_start=warmup)),
    unsup_loss=[pseudo_loss, _base_.entropy_loss],
    class_weights=dict(start=warmup),
)
bank_contrast = dict(bank_start=warmup // 2, ramp=dict(start=warmup))
