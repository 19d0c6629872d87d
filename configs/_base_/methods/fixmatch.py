# FixMatch (Sohn et al., NeurIPS 2020) for pixels, as UniMatch's authors run it; in a config with this base:
#     data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
#     model = dict(**_base_.fixmatch, data_preprocessor=data_preprocessor)
fixmatch = dict(
    type='SemiSupervisedSegmentor',
    selector=dict(type='ThresholdMask', threshold=0.95),
    views=[dict(branch='strong')],
    mixing=dict(type='CrossSetCutMix', pairs='unlabeled', area=(0.02, 0.4), prob=0.5),
    # mean over all pixels: few confident ones make a small term
    unsup_loss=dict(type='ConsistencyLoss', loss_weight=1.0, hard=True, norm='all'),
    semi_train_cfg=dict(burn_in=0),
    semi_test_cfg=dict(predict_on='student'),
)
custom_hooks = [
    # the teacher is the student itself, in eval mode
    dict(type='MeanTeacherHook', momentum=1.0),
    dict(type='SemiDiagnosticsHook', interval=50),
]
val_cfg = dict(type='ValLoop')

# With an EMA teacher it is the strongest baseline of UniMatch V2, see fixmatch_ema.py. The burn-in on labels
# alone stands in for the published pretrained backbone.
fixmatch_ema = dict(
    fixmatch, semi_train_cfg=dict(burn_in=0.1), semi_test_cfg=dict(predict_on='teacher')
)
# 0.996 of the teacher stays in each step; the first steps are averaged evenly
ema_hooks = [
    dict(type='MeanTeacherHook', momentum=0.004),
    dict(type='SemiDiagnosticsHook', interval=50),
]
