import json

import pytest
from mmengine.config import Config


@pytest.fixture
def tool(load_tool):
    return load_tool('report.py')


def write_log(folder, score, iteration=50):
    path = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    lines = (
        {'loss': 1.0, 'iter': iteration, 'step': iteration},
        {'mIoU': score, 'step': iteration},
    )
    path.write_text('\n'.join(map(json.dumps, lines)))


def test_one_run_is_written_into_its_folder(tool, tmp_path, capsys):
    write_log(tmp_path / 'sup', 40.0)
    tool.main([str(tmp_path / 'sup')])
    page = tmp_path / 'sup' / 'report.html'
    assert capsys.readouterr().out == f'{page}: sup\n'
    assert '>40.0<' in page.read_text()


def test_several_runs_are_written_above_them_and_the_first_is_the_baseline(tool, tmp_path):
    write_log(tmp_path / 'sup', 40.0)
    write_log(tmp_path / 'semi', 45.5)
    tool.main([str(tmp_path / 'sup'), str(tmp_path / 'semi'), str(tmp_path / 'sup')])
    text = (tmp_path / 'report.html').read_text()
    assert text.count('<article') == 2
    assert '>+5.5<' in text and 'over sup (40.0)' in text


def test_a_baseline_is_not_on_the_page(tool, tmp_path):
    write_log(tmp_path / 'sup', 40.0)
    write_log(tmp_path / 'semi', 39.0)
    out = tmp_path / 'deep' / 'page.html'
    tool.main([str(tmp_path / 'semi'), '--baseline', str(tmp_path / 'sup'), '--out', str(out)])
    text = out.read_text()
    assert text.count('<article') == 1 and '>\N{MINUS SIGN}1.0<' in text


def test_runs_of_one_name_are_told_apart(tool, tmp_path):
    for method in ('a', 'b'):
        write_log(tmp_path / method / 'seed0', 40.0)
    tool.main([str(tmp_path / method / 'seed0') for method in ('a', 'b')])
    text = (tmp_path / 'report.html').read_text()
    assert '<h1>a/seed0</h1>' in text and '<h1>b/seed0</h1>' in text


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda folder: None, 'there is no folder .*run: give the work_dir of a run'),
        (lambda folder: folder.mkdir(), 'run has nothing to report: give the work_dir'),
        (lambda folder: folder.write_text(''), 'there is no folder .*run: give'),
    ],
)
def test_what_has_nothing_to_report_is_told_in_one_sentence(tool, tmp_path, make, said):
    make(tmp_path / 'run')
    with pytest.raises(SystemExit, match=said) as told:
        tool.main([str(tmp_path / 'run')])
    assert '\n' not in str(told.value)


def test_a_page_does_not_replace_a_folder(tool, tmp_path):
    write_log(tmp_path / 'sup', 40.0)
    with pytest.raises(SystemExit, match='is a folder: give the name of an HTML file'):
        tool.main([str(tmp_path / 'sup'), '--out', str(tmp_path)])


def test_train_hands_a_monitor_to_the_hook(load_tool, tmp_path, monkeypatch):
    train = load_tool('train.py')
    cfg = Config({'default_hooks': {'report': {'type': 'ReportHook'}}})
    listed = tmp_path / 'monitor.txt'
    listed.write_text('a\n')
    train.add_monitor(cfg, str(listed))
    assert cfg.default_hooks.report == {'type': 'ReportHook', 'monitor': str(listed)}
    cfg = Config({})
    train.add_monitor(cfg, str(listed))
    assert cfg.default_hooks.report == {'type': 'ReportHook', 'monitor': str(listed)}
    with pytest.raises(FileNotFoundError, match='there is no list --monitor absent'):
        train.add_monitor(cfg, 'absent.txt')
