import csv
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope

from mmseg_contrast.tooling.training_step import images_of_a_step

TOOL = 'analysis_tools/benchmark_step.py'
CONFIGS = Path(__file__).parents[3] / 'configs'
SMALL = [
    '--device',
    'cpu',
    '--repeats',
    '2',
    '--cfg-options',
    'model.data_preprocessor.size=[32,32]',
]


@pytest.fixture(autouse=True)
def training_state():
    init_default_scope('mmseg')
    hub = MessageHub.get_current_instance()
    yield
    for key in ('iter', 'max_iters'):
        hub.update_info(key, 0)


@pytest.mark.parametrize(
    'config', ['c3semiseg/c3semiseg_mosaic.py', 'memory_bank/memory_bank_mosaic.py']
)
def test_table_and_csv(load_tool, tmp_path, config):
    tool, out = load_tool(TOOL), tmp_path / 'step.csv'
    tool.main([str(CONFIGS / config), '--images', '2', '3', '--out', str(out), *SMALL])
    with open(out) as file:
        rows = {row['form']: row for row in csv.DictReader(file)}
    assert list(rows) == [tool.WHOLE, tool.NO_CONTRAST, tool.PLAIN, tool.AVERAGE]
    assert all(float(row['ms']) > 0 for row in rows.values())
    assert rows[tool.WHOLE]['of the whole step'] == rows[tool.WHOLE]['memory'] == '1.000'
    # strictly: equal is what two steps without contrast would be
    assert float(rows[tool.NO_CONTRAST]['MiB']) < float(rows[tool.WHOLE]['MiB'])
    assert float(rows[tool.AVERAGE]['MiB']) < 1, 'the average is made in place'
    assert rows[tool.WHOLE]['config'].endswith('2 + 3 images')
    assert rows[tool.WHOLE]['conditions'].startswith('CPU, torch')


def test_configs_of_any_kind_side_by_side(load_tool, tmp_path):
    tool, out = load_tool(TOOL), tmp_path / 'step.csv'
    names = [
        'baselines/sup_mosaic',
        'baselines/unimatch_mosaic',
        'c3semiseg/c3semiseg_mosaic',
        'label_efficient/pretrain_mosaic',
    ]
    configs = [str(CONFIGS / f'{name}.py') for name in names]
    tool.main([*configs, '--out', str(out), *SMALL])
    with open(out) as file:
        rows = [(row['config'], row['form'], float(row['ms'])) for row in csv.DictReader(file)]
    forms = {}
    for config, form, milli in rows:
        assert milli > 0
        forms.setdefault(config, []).append(form)
    images = [images_of_a_step(Config.fromfile(config)) for config in configs]
    assert list(forms) == [
        f'{Path(name).name}, {labeled} + {unlabeled} images'
        for name, (labeled, unlabeled) in zip(names, images)
    ]
    all_forms = [tool.WHOLE, tool.NO_CONTRAST, tool.PLAIN, tool.AVERAGE]
    assert list(forms.values()) == [[tool.WHOLE], [tool.WHOLE], all_forms, [tool.WHOLE]]
    assert images[0][1] == images[3][1] == 0 < images[2][1]
    chosen = [images_of_a_step(Config.fromfile(config), [2, 3]) for config in configs]
    assert chosen == [(2, 0), (2, 3), (2, 3), (2, 0)]


def test_variants_are_measured_beside_what_they_change(load_tool, tmp_path, capsys):
    tool, out = load_tool(TOOL), tmp_path / 'step.csv'
    config = str(CONFIGS / 'label_efficient/pretrain_mosaic.py')
    variants = [
        ['model.loss_size=[65,65]'],
        ['model.loss_contrast.variant=batch', 'model.loss_contrast.num_samples=32'],
    ]
    more = [text for pairs in variants for text in ('--variant', *pairs)]
    tool.main([config, '--out', str(out), *more, *SMALL])
    with open(out) as file:
        rows = {row['form']: row for row in csv.DictReader(file)}
    assert list(rows) == [tool.WHOLE, *map(' '.join, variants)]
    # a loss on 65x65 pixels keeps more than one on the grid of the features
    assert float(rows['model.loss_size=[65,65]']['memory']) > 1
    parsed = tool.parse_args([config, *more]).variant
    assert parsed[' '.join(variants[0])] == {'model.loss_size': [65, 65]}
    assert list(parsed) == list(map(' '.join, variants))
    with pytest.raises(KeyError, match='did you mean model'):
        tool.main([config, '--variant', 'modle.loss_size=[65,65]', *SMALL])
    with pytest.raises(SystemExit):
        tool.parse_args([config, *more, '--variant', 'model.loss_size'])
    assert '--variant: model.loss_size is no KEY=VALUE' in capsys.readouterr().err


def test_help_has_an_example(load_tool, capsys):
    with pytest.raises(SystemExit):
        load_tool(TOOL).main(['--help'])
    assert 'python tools/analysis_tools/benchmark_step.py' in capsys.readouterr().out
