"""A benchmark file: its runs, their order, their configs, and what is wrong with it."""

import json

import pytest
from mmengine.config import Config
from tiny_benchmark import write_chain, write_project

from mmseg_contrast.tooling.benchmark.plan import compose, read_benchmark


@pytest.fixture
def file(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / 'tiny.py'


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def names(file):
    return [run.name for run in read_benchmark(file).runs]


def test_the_first_seed_of_all_methods_and_data_sets_comes_first(file):
    replace(
        file,
        "{2: 'data/mosaic/lists/mosaic.{seed}@2'})",
        "{2: 'data/mosaic/lists/mosaic.{seed}@2'}),"
        "other=dict(config='datasets/mosaic.py', labels={2: 'data/mosaic/lists/mosaic.{seed}@2'})",
    )
    assert names(file) == [
        'labels-alone_tiny_mosaic-2_seed0',
        'fixmatch_tiny_mosaic-2_seed0',
        'all-labels_tiny_mosaic-all_seed0',
        'labels-alone_tiny_other-2_seed0',
        'fixmatch_tiny_other-2_seed0',
        'all-labels_tiny_other-all_seed0',
        'labels-alone_tiny_mosaic-2_seed1',
        'fixmatch_tiny_mosaic-2_seed1',
        'labels-alone_tiny_other-2_seed1',
        'fixmatch_tiny_other-2_seed1',
    ]


def test_a_net_may_have_some_methods_alone(file):
    replace(
        file,
        "config='models/tiny.py')",
        "config='models/tiny.py'), frozen=dict(config='models/tiny.py', methods=['fixmatch'])",
    )
    assert [name for name in names(file) if 'frozen' in name] == [
        'fixmatch_frozen_mosaic-2_seed0',
        'fixmatch_frozen_mosaic-2_seed1',
    ]


def test_only_takes_names_that_match(file):
    benchmark = read_benchmark(file)
    found = benchmark.matching(['fixmatch_*', '*_seed1'])
    assert [run.name for run in found] == [
        'fixmatch_tiny_mosaic-2_seed0',
        'labels-alone_tiny_mosaic-2_seed1',
        'fixmatch_tiny_mosaic-2_seed1',
    ]
    assert benchmark.matching([]) == benchmark.runs
    with pytest.raises(
        ValueError, match=r'csc_\* matches no run of tiny: its first is labels-alone'
    ):
        benchmark.matching(['*_seed0', 'csc_*'])


def test_a_config_is_the_composition_with_the_lists_of_its_seed_and_its_options(file):
    runs = {run.name: run for run in read_benchmark(file).runs}
    cfg = runs['fixmatch_tiny_mosaic-2_seed1'].configs['train']
    labeled, unlabeled = cfg.train_dataloader.dataset.datasets
    assert labeled.ann_file == 'data/mosaic/lists/mosaic.1@2.txt'
    assert unlabeled.ann_file == 'data/mosaic/lists/mosaic.1@2-unlabeled.txt'
    assert cfg.randomness.seed == 1
    assert cfg.model.type == 'SemiSupervisedSegmentor'
    assert cfg.model.selector.threshold == 0.3
    assert cfg.model.data_preprocessor.size == (32, 32)
    assert cfg.model.decode_head.num_classes == 9
    all_labels = runs['all-labels_tiny_mosaic-all_seed0'].configs['train']
    [source] = all_labels.train_dataloader.dataset.datasets
    assert 'ann_file' not in source


def test_options_of_a_method_win_over_those_of_net_data_set_and_file(file):
    for old, what, value in (
        ("name = 'tiny'", "\noptions = {'max_iters': 10, 'optim_wrapper.optimizer.lr': 0.1}", None),
        ("config='datasets/mosaic.py'", "options={'max_iters': 20, 'crop_size': (16, 16)}", None),
        ("config='models/tiny.py'", "options={'max_iters': 30}", None),
        ("recipe='recipes/fixmatch.py'", '', 40),
    ):
        new = f'{old}{what}' if old.startswith('name') else f'{old}, {what}'
        replace(file, old, new.rstrip(', '))
        if value:
            replace(file, "threshold': 0.3", f"threshold': 0.3, 'max_iters': {value}")
    runs = {run.name: run for run in read_benchmark(file).runs}
    plain = runs['labels-alone_tiny_mosaic-2_seed0'].configs['train']
    assert plain.train_cfg.max_iters == plain.param_scheduler[0].end == 30
    assert plain.optim_wrapper.optimizer.lr == 0.1
    assert plain.model.data_preprocessor.size == (16, 16)
    assert runs['fixmatch_tiny_mosaic-2_seed0'].steps == 40


def test_the_stages_of_a_chain_have_configs_of_their_own(file):
    replace(
        file,
        "'all-labels'",
        "'chain': dict(chain=dict(pretrain='recipes/pretrain.py', finetune='recipes/supervised.py'),"
        "options={'pretrain.max_iters': 4, 'optim_wrapper.optimizer.lr': 0.5}), 'all-labels'",
    )
    [run] = read_benchmark(file).matching(['chain_*_seed1'])
    pretrain, finetune = run.configs.values()
    assert (pretrain.model.type, finetune.model.type) == ('ContrastivePretrainer', 'EncoderDecoder')
    assert (pretrain.load_from, finetune.load_from) == (None, 'pretrain/iter_4.pth')
    assert pretrain.optim_wrapper.optimizer.lr == finetune.optim_wrapper.optimizer.lr == 0.5
    assert pretrain.val_cfg is pretrain.val_dataloader is pretrain.val_evaluator is None
    assert finetune.val_dataloader is not None
    assert run.steps == 4 + 6
    assert run.manifest['pretrain: train_cfg.max_iters'] == 4
    assert run.manifest['finetune: train_cfg.max_iters'] == 6


def test_the_second_half_of_a_chain_trains_on_labels_of_the_first(file):
    write_chain(file)
    [run] = read_benchmark(file).matching(['chain_*_seed1'])
    assert [*run.configs] == ['pretrain', 'finetune', 'semi_pretrain', 'semi_finetune']
    for stage, cfg in run.configs.items():
        assert (cfg.val_dataloader is None) == stage.endswith('pretrain')
        loader = cfg.train_dataloader
        labeled, *more = loader.dataset.datasets
        assert labeled.ann_file == 'data/mosaic/lists/mosaic.1@2.txt'
        if stage.startswith('semi_'):
            [pseudo] = more
            assert pseudo.ann_file == 'data/mosaic/lists/mosaic.1@2-unlabeled.txt'
            assert pseudo.data_prefix.seg_map_path == 'pseudo_labels/masks'
            assert (loader.batch_size, loader.sampler.source_ratio) == (4, [1, 1])
        else:
            assert (more, loader.batch_size) == ([], 2)
    before = run.config_hash
    assert run.manifest['pseudo_label']['keep_ratio'] == 0.5
    replace(file, 'keep_ratio=0.5', 'keep_ratio=0.6')
    [run] = read_benchmark(file).matching(['chain_*_seed1'])
    assert run.config_hash != before


def test_the_hash_follows_what_the_result_depends_on_and_nothing_else(file):
    def hashes():
        return {run.name: run.config_hash for run in read_benchmark(file).runs}

    def changed():
        now = hashes()
        return {name for name, each in now.items() if each != before[name]}

    before = hashes()
    assert len(set(before.values())) == 5
    assert all(len(each) == 12 for each in before.values())
    json.dumps(read_benchmark(file).runs[0].manifest)
    assert changed() == set()
    bases = file.parent / 'bases'
    replace(bases / 'recipes/runtime.py', "log_level = 'WARNING'", "log_level = 'INFO'")
    assert changed() == set()
    (file.parent / 'data/mosaic/lists/mosaic.1@2.txt').write_text('2\n4\n')
    of_fold_1 = {'labels-alone_tiny_mosaic-2_seed1', 'fixmatch_tiny_mosaic-2_seed1'}
    assert changed() == of_fold_1
    replace(file, "threshold': 0.3", "threshold': 0.4")
    assert changed() == of_fold_1 | {'fixmatch_tiny_mosaic-2_seed0'}
    replace(bases / 'models/tiny.py', 'num_convs=1', 'num_convs=2')
    assert changed() == {*before}


def test_the_composition_is_the_one_that_a_user_writes(tmp_path):
    text = compose(['../recipe.py', '../net.py'], {'labeled_list': 'a.txt', 'unlabeled_list': None})
    assert text.startswith("_base_ = [\n    '../recipe.py',\n    '../net.py',\n]\n")
    assert "labeled_list = 'a.txt'\nunlabeled_list = None\n" in text
    compile(text, 'config.py', 'exec')


def test_the_written_composition_finds_its_bases(file):
    run = read_benchmark(file).runs[0]
    folder = file.parent / 'work_dirs' / 'tiny' / 'run'
    folder.mkdir(parents=True)
    path = folder / 'composed.py'
    path.write_text(run.composition('train', folder))
    assert Config.fromfile(path).model.to_dict() == run.configs['train'].model.to_dict()


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ("name = 'tiny'", '', 'lacks name: give a benchmark file'),
        ('dict(recipe=', 'dict(recept=', 'methods.labels-alone has recept, which is unknown: use'),
        ("{2: [0, 1], 'all': [0]}", '{2: [0]}', 'seeds has none for all labels: give all: [0]'),
        ('[0, 1]', '[0, 7]', 'needs data/mosaic/lists/mosaic.7@2.txt, which does not exist'),
        ('recipes/fixmatch.py', 'recipes/fix.py', 'recipes/fix.py, which does not exist'),
        (
            "config='models/tiny.py'",
            "config='models/tiny.py', methods=['csc']",
            'nets.tiny asks for csc, which is none of methods',
        ),
        ("'fixmatch':", "'fix match':", "'fix match' becomes the name of a folder"),
        (
            "labels='all'",
            "chain=dict(pretrain='x')",
            'methods.all-labels needs either a recipe, or',
        ),
        (
            "labels='all'",
            "labels='all', pseudo_label=dict()",
            'pseudo_label belongs to a chain with semi_pretrain and semi_finetune',
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_said_in_one_sentence(file, old, new, said):
    replace(file, old, new)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        read_benchmark(file)
    assert said in str(caught.value)


def test_an_option_that_nothing_reads_or_the_tool_sets_is_refused(file):
    replace(file, 'threshold', 'treshold')
    run = read_benchmark(file).runs[1]
    with pytest.raises(
        KeyError, match=r'fixmatch_tiny_mosaic-2_seed0: option method\.selector\.tresh'
    ):
        _ = run.configs
    replace(file, "method.selector.treshold': 0.3", "randomness.seed': 3")
    with pytest.raises(ValueError, match=r'this tool sets randomness\.seed itself; give seeds'):
        _ = read_benchmark(file).runs[1].configs
