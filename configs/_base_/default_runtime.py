default_scope = 'mmseg'
custom_imports = dict(imports=['mmseg_contrast'], allow_failed_imports=False)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
# what an auxiliary head counts is a rate: its mean over the interval says more than the last step
log_processor = dict(by_epoch=False, mean_pattern=r'.*(loss|time|data_time|grad_norm|aux).*')
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=500, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    # here because a list of custom_hooks replaces that of the method
    check_setup=dict(type='CheckSetupHook'),
    step_seed=dict(type='StepSeedHook'),
    finite_loss=dict(type='FiniteLossHook'),
    report=dict(type='ReportHook'),
)
