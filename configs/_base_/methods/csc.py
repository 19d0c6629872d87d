# CSC (consistency and separation) for any `EncoderDecoder`; in a config with this base:
#     data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
#     model = dict(
#         **_base_.csc,
#         data_preprocessor=data_preprocessor,
#         auxiliary_head=[dict(_base_.csc_contrast, in_channels=...)])
_base_ = './csc_contrast.py'

csc = dict(
    type='SemiSupervisedSegmentor',
    selector=dict(type='AELMask', threshold=0.7),
    views=[dict(branch='strong')],
    mixing=dict(type='CrossSetCutMix', pairs='unlabeled', area=0.5, prob=1.0),
    unsup_loss=dict(type='ConsistencyLoss', loss_weight=1.0, hard=True),
    semi_train_cfg=dict(burn_in=0),
    # what the published code evaluates
    semi_test_cfg=dict(predict_on='teacher'),
)
custom_hooks = [
    dict(type='MeanTeacherHook', momentum=0.01),
    # after the teacher, as in Algorithm 1
    dict(type='MemoryBankHook', interval=50),
    dict(type='SemiDiagnosticsHook', interval=50),
]
val_cfg = dict(type='TeacherStudentValLoop')
