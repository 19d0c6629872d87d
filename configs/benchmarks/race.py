# All methods on one recipe, one net and two data sets; see docs/benchmark.md. The
# weights of ImageNet may be a local file:
#     python tools/benchmark.py configs/benchmarks/race.py --jobs 2 \
#         --cfg-options pretrained=data/weights/mobilenetv2.pth
name = 'race'
base = '../_base_'
datasets = dict(
    msrc21=dict(
        config='datasets/msrc21.py',
        labels={
            21: 'data_lists/msrc21/msrc21.{seed}@21',
            60: 'data_lists/msrc21/msrc21.{seed}@60',
        },
    ),
    camvid=dict(
        config='datasets/camvid.py',
        labels={
            12: 'data_lists/camvid/camvid.{seed}@1by30',
            46: 'data_lists/camvid/camvid.{seed}@1by8',
        },
    ),
)
nets = {
    'mobilenetv2': dict(config='models/mobilenetv2.py'),
    'mobilenetv2-frozen': dict(
        config='models/mobilenetv2_frozen.py', methods=['labels-alone', 'c3semiseg']
    ),
}
every_pixel = {'method.selector.threshold': 0}
methods = {
    'labels-alone': dict(recipe='recipes/supervised.py'),
    # as many steps as pretraining and fine-tuning
    'labels-alone-2x': dict(recipe='recipes/supervised.py', options={'max_iters': 2000}),
    'all-labels': dict(recipe='recipes/supervised.py', labels='all'),
    'mean-teacher': dict(recipe='recipes/mean_teacher.py'),
    'fixmatch-ema': dict(recipe='recipes/fixmatch_ema.py'),
    'fixmatch-ema-0': dict(recipe='recipes/fixmatch_ema.py', options=every_pixel),
    'unimatch': dict(recipe='recipes/unimatch.py'),
    'unimatch-0': dict(recipe='recipes/unimatch.py', options=every_pixel),
    'unimatch-v2': dict(recipe='recipes/unimatch_v2.py'),
    'unimatch-v2-0': dict(recipe='recipes/unimatch_v2.py', options=every_pixel),
    'c3semiseg': dict(recipe='recipes/c3semiseg.py'),
    'memory-bank': dict(recipe='recipes/memory_bank.py'),
    'csc': dict(recipe='recipes/csc.py'),
    'label-efficient': dict(
        chain=dict(pretrain='recipes/pretrain.py', finetune='recipes/supervised.py')
    ),
    'label-efficient-chain': dict(
        chain=dict(
            pretrain='recipes/pretrain.py',
            finetune='recipes/supervised.py',
            semi_pretrain='recipes/pretrain.py',
            semi_finetune='recipes/supervised.py',
        ),
        pseudo_label=dict(threshold=0.8, keep_ratio=0.5, tta=True),
    ),
    'unimatch-v2-dcrs': dict(recipe='recipes/unimatch_v2_dcrs.py'),
    'unimatch-v2-c3-contrast': dict(recipe='recipes/unimatch_v2_c3-contrast.py'),
    'unimatch-v2-bank-contrast': dict(recipe='recipes/unimatch_v2_bank-contrast.py'),
    'unimatch-v2-csc-contrast': dict(recipe='recipes/unimatch_v2_csc-contrast.py'),
}
seeds = {21: [0, 1, 2], 60: [0], 12: [0, 1, 2], 46: [0], 'all': [0]}
