# The class-wise memory bank as in the published code, as far as there are options.
# configs/memory_bank/README.md has each of them, and what is not reproduced.
_base_ = './memory_bank_published.py'

# Table 1 divided by 1.2
weak = dict(brightness=0.125, contrast=0.125, saturation=0.0625, hue=0.0417)
strong = dict(brightness=0.25, contrast=0.25, saturation=0.125, hue=0.0833, class_mix=0.75)
# not off but small in the warm-up
pseudo_loss = dict(ramp=dict(start=0, length=_base_.warmup))
memory_bank = dict(
    mixing=dict(shared_coins=True, extra_class=True, weak=weak, strong=strong),
    unsup_loss=[dict(_base_.pseudo_loss, **pseudo_loss), _base_.entropy_loss],
    class_weights=dict(unit='pixel'),
    semi_train_cfg=dict(teacher_norm='batch'),
)
bank_contrast = dict(rank='lowest', memory_attention=False, bank_update='before')
mean_teacher = dict(_base_.mean_teacher, early_average=10)
custom_hooks = [_base_.set_sizes, mean_teacher, _base_.fill_bank, _base_.diagnostics]
