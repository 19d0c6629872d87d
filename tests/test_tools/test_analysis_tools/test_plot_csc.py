import json

import pytest
import torch
from PIL import Image

from mmseg_contrast.scalars import find_scalars


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
    curves = tool.csc_curves([log])
    assert curves['separ'] == [(50, 5.0), (100, 4.0), (150, 3.0)]
    assert set(curves) == {'separ', 'intra_spread', 'accept_enqueue'}


def test_a_resumed_run_keeps_its_earlier_curve(tool, tmp_path):
    """The first part was killed after step 150 and went on from a checkpoint of step 100."""
    first = write_log(tmp_path, 'bank', number=3, start='20240101_000000')
    second = write_log(tmp_path, 'bank', number=5, first=3, separ=10)
    assert find_scalars(tmp_path) == [first, second]
    with first.open('a') as file:
        file.write('\n{"bank.separ": 1')  # cut off by the kill
    curves = tool.csc_curves([first, second])
    assert curves['separ'] == [(50, 5.0), (100, 4.0), (150, 13.0), (200, 12.0), (250, 11.0)]


def test_draws_the_runs_side_by_side(tool, tmp_path, capsys):
    for name in ('gate', 'free'):
        write_log(tmp_path / name, 'bank')
    out = tmp_path / 'plots' / 'csc.png'
    tool.main([f'with gate={tmp_path}/gate', str(tmp_path / 'free'), '--out', str(out)])
    assert Image.open(out).size[0] > 500
    assert capsys.readouterr().out == f'{out}: separ, intra_spread, accept_enqueue\n'


def test_similarity_is_the_cosine_of_the_mean_features(tool):
    rows = torch.randn(4, 7, 5)
    rows[2] = 0
    cosines = tool.class_similarity(rows.sum(1))
    for a in range(4):
        for b in range(4):
            if 2 in (a, b):
                assert torch.isnan(cosines[a, b])
            else:
                one, other = rows[a].mean(0), rows[b].mean(0)
                expected = float(one @ other / one.norm() / other.norm())
                assert float(cosines[a, b]) == pytest.approx(expected, abs=1e-6)


def write_checkpoint(folder, state, **meta):
    torch.save({'state_dict': state, 'meta': meta}, folder / 'iter_9.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_9.pth'))


def test_draws_the_similarity_of_each_run(tool, tmp_path, capsys):
    sums, names = torch.randn(3, 5), ('road', 'sky', 'car')
    for name in ('gate', 'free'):
        write_log(tmp_path / name, 'bank')
        state = {'auxiliary_head.1.bank.sums': sums, 'auxiliary_head.1.bank.rows': sums}
        write_checkpoint(tmp_path / name, state, dataset_meta={'classes': names})
    cosines, classes = tool.read_similarity(tmp_path / 'gate')
    torch.testing.assert_close(cosines, tool.class_similarity(sums))
    assert classes == list(names)
    out = tmp_path / 'plots' / 'similarity.png'
    runs = [f'with gate={tmp_path}/gate', str(tmp_path / 'free')]
    tool.main([*runs, '--out', str(tmp_path / 'csc.png'), '--similarity', str(out)])
    width, height = Image.open(out).size
    assert width > 1.5 * height, 'two matrices side by side'
    assert f'{out}: cosines between the classes' in capsys.readouterr().out


def test_a_run_without_a_bank_has_no_similarity(tool, tmp_path):
    log = write_log(tmp_path, 'bank')
    call = ['--out', str(tmp_path / 'csc.png'), '--similarity', str(tmp_path / 'similarity.png')]
    with pytest.raises(SystemExit, match='has no checkpoint'):
        tool.main([str(tmp_path), *call])
    write_checkpoint(tmp_path, {'decode_head.conv_seg.bias': torch.zeros(3)})
    with pytest.raises(SystemExit, match=r'iter_9\.pth has no bank of CSC'):
        tool.main([str(tmp_path), *call])
    with pytest.raises(SystemExit, match='has no checkpoint'):
        tool.main([str(log), *call])


def test_runs_without_anything_to_draw_are_named(tool, tmp_path):
    with pytest.raises(SystemExit, match=r'no vis_data/scalars\.json'):
        tool.main([str(tmp_path), '--out', str(tmp_path / 'x.png')])
    log = write_log(tmp_path, 'bank')
    log.write_text(json.dumps({'loss': 1.0, 'step': 1}))
    with pytest.raises(SystemExit, match='nothing of CSC'):
        tool.main([str(log), '--out', str(tmp_path / 'x.png')])
