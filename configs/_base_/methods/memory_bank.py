# Class-wise memory bank (Alonso et al., ICCV 2021) for any `EncoderDecoder`; in a config with this base:
#     data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
#     model = dict(
#         **_base_.memory_bank,
#         data_preprocessor=data_preprocessor,
#         auxiliary_head=[dict(_base_.bank_contrast, in_channels=...)])
# The unlabelled images need the branch `weak` alone: views are made on the device.
# Lengths are shares of the training. memory_bank_published.py has the paper's iterations.
warmup = 0.1
pseudo_loss = dict(
    type='ConsistencyLoss', loss_weight=1.0, hard=True, norm='all', ramp=dict(start=warmup)
)
entropy_loss = dict(type='EntropyLoss', loss_weight=0.01)
memory_bank = dict(
    type='SemiSupervisedSegmentor',
    selector=dict(type='ConfidenceWeight', power=6),
    # Table 1
    mixing=dict(
        type='AugmentedViews',
        num_views=2,
        weak=dict(
            class_mix=0.2,
            flip=0.5,
            resize=0.5,
            scale=(0.75, 1.75),
            jitter=0.2,
            brightness=0.15,
            contrast=0.15,
            saturation=0.075,
            hue=0.05,
        ),
        strong=dict(
            class_mix=0.8,
            class_mix_start=warmup,
            flip=0.5,
            resize=0.8,
            scale=(0.75, 1.75),
            jitter=0.8,
            brightness=0.3,
            contrast=0.3,
            saturation=0.15,
            hue=0.1,
            blur=0.2,
            sigma=(0.1, 1.5),
        ),
    ),
    unsup_loss=[pseudo_loss, entropy_loss],
    class_weights=dict(type='MedianFrequencyWeights', momentum=0.001, start=warmup),
    views=[dict(branch='weak')],
    semi_train_cfg=dict(burn_in=0),
    semi_test_cfg=dict(predict_on='student'),
)
bank_contrast = dict(
    type='ClassBankContrastHead',
    in_index='decode',
    channels=256,
    bank=dict(type='ClassMemoryBank', size=256),
    bank_start=warmup / 2,
    confidence=0.95,
    loss_weight=0.1,
    ramp=dict(start=warmup),
)
# for the class weights
set_sizes = dict(type='SetSizesHook')
# 0.995 -> 1
mean_teacher = dict(type='MeanTeacherHook', momentum=0.005, schedule='cosine')
fill_bank = dict(type='MemoryBankHook', interval=50)
diagnostics = dict(type='SemiDiagnosticsHook', interval=50)
custom_hooks = [set_sizes, mean_teacher, fill_bank, diagnostics]
val_cfg = dict(type='TeacherStudentValLoop')
