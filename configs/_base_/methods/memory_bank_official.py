# The class-wise memory bank as in the published code, as far as there are options.
# configs/memory_bank/README.md has each of them, and what is not reproduced.
_base_ = './memory_bank_published.py'

memory_bank = _base_.memory_bank
memory_bank.mixing.shared_coins = True
memory_bank.mixing.extra_class = True
memory_bank.mixing.strong.class_mix = 0.75
# Table 1 divided by 1.2
for_weak = dict(brightness=0.125, contrast=0.125, saturation=0.0625, hue=0.0417)
for_strong = dict(brightness=0.25, contrast=0.25, saturation=0.125, hue=0.0833)
memory_bank.mixing.weak.update(for_weak)
memory_bank.mixing.strong.update(for_strong)
# not off but small in the warm-up
memory_bank.unsup_loss[0].ramp = dict(start=0, length=_base_.warmup)
memory_bank.class_weights.unit = 'pixel'
memory_bank.semi_train_cfg.teacher_norm = 'batch'
bank_contrast = dict(rank='lowest', memory_attention=False, bank_update='before')
custom_hooks = [
    dict(hook, early_average=10) if hook.type == 'MeanTeacherHook' else hook
    for hook in _base_.custom_hooks
]
