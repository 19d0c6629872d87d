# The class-wise memory bank of Alonso et al., without its class weights, since no method here has any
_base_ = ['./semi_recipe.py', '../methods/memory_bank.py', '../default_runtime.py']

# each unlabelled image gives two views, which are made on the device
batch_size = 6
source_ratio = [2, 1]
branches = dict(strong=None)
burn_in = _base_.semi_train_cfg.burn_in
memory_bank = _base_.memory_bank
memory_bank.mixing.strong.class_mix_start = burn_in
pseudo_loss = dict(_base_.pseudo_loss, ramp=_base_.ramp)
method = dict(
    memory_bank,
    unsup_loss=[pseudo_loss, dict(_base_.entropy_loss, ramp=_base_.ramp)],
    class_weights=None,
    semi_train_cfg=_base_.semi_train_cfg,
    auxiliary_head=[dict(_base_.bank_contrast, bank_start=burn_in / 2, ramp=dict(start='burn_in'))],
)
custom_hooks = [_base_.mean_teacher, _base_.fill_bank, _base_.diagnostics]
