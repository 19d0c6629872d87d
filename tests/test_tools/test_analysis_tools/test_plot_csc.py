import json

import pytest
from PIL import Image

from mmseg_contrast.utils.scalars import find_scalars


@pytest.fixture
def tool(load_tool):
    return load_tool('analysis_tools/plot_csc.py')


def write_log(folder, prefix, number=5, start='20250101_000000', first=1, **shift):
    path = folder / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    lines = [
        {
            'loss': 1.0,
            f'{prefix}.separ': 6.0 - i + shift.get('separ', 0),
            f'{prefix}.intra_spread': 0.1 * i,
            f'{prefix}.accept_enqueue': 0.5,
            'sup.consistency_raw': 3.0,
            'step': 50 * i,
        }
        for i in range(first, number + 1)
    ]
    lines.append({'mIoU': 40.0, 'step': 50 * number})
    path.write_text('\n'.join(json.dumps(line) for line in lines))
    return path


def test_reads_a_log_under_any_prefix(tool, tmp_path):
    log = write_log(tmp_path, 'aux_2', number=3)
    assert find_scalars(tmp_path) == [log] == find_scalars(log)
    curves = tool.read_curves([log])
    assert curves['separ'] == [(50, 5.0), (100, 4.0), (150, 3.0)]
    assert set(curves) == {'separ', 'intra_spread', 'accept_enqueue'}


def test_a_resumed_run_keeps_its_earlier_curve(tool, tmp_path):
    """The first part was killed after step 150 and went on from a checkpoint of step 100."""
    first = write_log(tmp_path, 'bank', number=3, start='20240101_000000')
    second = write_log(tmp_path, 'bank', number=5, first=3, separ=10)
    assert find_scalars(tmp_path) == [first, second]
    with first.open('a') as file:
        file.write('\n{"bank.separ": 1')  # cut off by the kill
    curves = tool.read_curves([first, second])
    assert curves['separ'] == [(50, 5.0), (100, 4.0), (150, 13.0), (200, 12.0), (250, 11.0)]


def test_draws_the_runs_side_by_side(tool, tmp_path, capsys):
    for name in ('gate', 'free'):
        write_log(tmp_path / name, 'bank')
    out = tmp_path / 'plots' / 'csc.png'
    tool.main([f'with gate={tmp_path}/gate', str(tmp_path / 'free'), '--out', str(out)])
    assert Image.open(out).size[0] > 500
    assert capsys.readouterr().out == f'{out}: separ, intra_spread, accept_enqueue\n'


def test_runs_without_anything_to_draw_are_named(tool, tmp_path):
    with pytest.raises(SystemExit, match=r'no vis_data/scalars\.json'):
        tool.main([str(tmp_path), '--out', str(tmp_path / 'x.png')])
    log = write_log(tmp_path, 'bank')
    log.write_text(json.dumps({'loss': 1.0, 'step': 1}))
    with pytest.raises(SystemExit, match='nothing of CSC'):
        tool.main([str(log), '--out', str(tmp_path / 'x.png')])
