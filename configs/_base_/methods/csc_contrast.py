# The contrast of CSC, for whatever recipe; in a config with this base:
#     model = dict(auxiliary_head=[dict(_base_.csc_contrast, in_channels=...)])
#     custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook')]
csc_bank = dict(
    type='ConsistencySeparationModule',
    size=2000,
    consistency=True,
    gate='best',
    gate_range=1.0,
    min_fill=1.0,
)
csc_contrast = dict(
    type='CSCContrastHead',
    in_index='decode',
    channels=256,
    temperature=0.1,
    top_n=1,
    samples_per_class=64,
    enqueue_per_class=10,
    update_interval=1,
    bank_features='student',
    fallback='per_class',
    bank=csc_bank,
    loss_weight=1.0,
)
# for a small net at stride 8 on a CPU, where the paper's pixels and bank take most of the time, and its
# projection head (two convolutions of 3x3) 18 % of a step
small_csc_contrast = dict(
    csc_contrast,
    projector=dict(type='MLPProjector'),
    samples_per_class=16,
    enqueue_per_class=2,
    bank=dict(csc_bank, size=500),
)
