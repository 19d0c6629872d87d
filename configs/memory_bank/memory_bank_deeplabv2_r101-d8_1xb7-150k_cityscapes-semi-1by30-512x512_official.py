# All that the published code does beyond the paper, together; README.md has each as one option
_base_ = './memory_bank_deeplabv2_r101-d8_1xb7-150k_cityscapes-semi-1by30-512x512.py'

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
# 0.01 times the 4 views of a step, in units of log 19: what ran when the results were made
memory_bank.unsup_loss[1].loss_weight = 0.0136
memory_bank.semi_train_cfg.teacher_norm = 'batch'
memory_bank.class_weights.unit = 'pixel'
model = dict(
    **memory_bank,
    backbone=dict(norm_eval=False),
    decode_head=dict(dilations=(6, 12), align_corners=True),
    auxiliary_head=[
        dict(
            _base_.bank_contrast,
            in_channels=2048,
            in_index=3,
            rank='lowest',
            memory_attention=False,
        )
    ],
)
# the published optimiser stepped each tensor of the network three times, of the heads twice
optim_wrapper = dict(
    optimizer=dict(lr=6e-4),
    paramwise_cfg=dict(
        custom_keys={'auxiliary_head': dict(lr_mult=2 / 3), 'backbone.conv1': dict(lr_mult=1 / 3)}
    ),
)
