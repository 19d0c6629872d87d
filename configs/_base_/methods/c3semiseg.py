# C3-SemiSeg (Zhou et al., ICCV 2021) for any `EncoderDecoder`; in a config with this base:
#     data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
#     model = dict(
#         **_base_.c3semiseg,
#         data_preprocessor=data_preprocessor,
#         auxiliary_head=[dict(_base_.c3_contrast, in_channels=...)])
# Lengths are shares of the training; semi_train_cfg.burn_in moves the ramp of the consistency too.
# c3semiseg_published.py has the paper's iterations.
c3semiseg = dict(
    type='SemiSupervisedSegmentor',
    selector=dict(type='DynamicConfidentRegionSelection', keep_ratio=0.8, momentum=0.1),
    views=[dict(branch='strong')],
    mixing=dict(type='CrossSetCutMix', pairs='random', area=0.5),
    # 50 in the published code, which also divides by its 19 classes
    unsup_loss=dict(
        type='ConsistencyLoss', loss_weight=2.63, ramp=dict(start='burn_in', length=0.15)
    ),
    semi_train_cfg=dict(burn_in=0.1),
    semi_test_cfg=dict(predict_on='student'),
)
c3_contrast = dict(
    type='PixelContrastHead',
    in_index=3,
    channels=256,
    temperature=0.15,
    samples_per_class=20,
    loss_weight=0.1,
    ramp=dict(start=0, length=0.05),
)
mean_teacher = dict(type='MeanTeacherHook', momentum=0.01)
diagnostics = dict(type='SemiDiagnosticsHook', interval=50)
custom_hooks = [mean_teacher, diagnostics]
val_cfg = dict(type='TeacherStudentValLoop')
