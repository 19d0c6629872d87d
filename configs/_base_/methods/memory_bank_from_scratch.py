# The class-wise memory bank for a net from scratch, which labels nothing well in its first 400 iterations
_base_ = './memory_bank.py'

warmup = 400
pseudo_loss = dict(_base_.pseudo_loss, ramp=dict(start=warmup))
memory_bank = dict(
    mixing=dict(strong=dict(class_mix_start=warmup)),
    unsup_loss=[pseudo_loss, _base_.entropy_loss],
    class_weights=dict(start=warmup),
)
bank_contrast = dict(bank_start=warmup // 2, ramp=dict(start=warmup))
