_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

# The bank in a plain supervised `EncoderDecoder`: one more auxiliary head, the hook that fills it, and the
# one that shows it the predictions for its quality filter
data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    auxiliary_head=[
        *_base_.model.auxiliary_head,
        dict(
            type='ClassBankContrastHead',
            in_channels=256,
            in_index=3,
            num_classes=_base_.num_classes,
            bank_features='student',
            bank_start=200,
            ramp=dict(start=400),
        ),
    ],
)
custom_hooks = [dict(type='ShareLogitsHook'), dict(type='MemoryBankHook', interval=50)]
