"""CSC trained by MMSeg's own train.py, resumed, and the plot of its log."""

import shutil

import pytest
import torch

MAX_ITERS = 8
BANK = 'auxiliary_head.0.bank'


def test_the_run_has_something_to_lose(csc):
    """Each kind of state moves, so that equal ends mean something."""
    early, late = (csc.checkpoint('full', k)['state_dict'] for k in (4, MAX_ITERS))
    for name in ('rows', 'sums', 'running_means', 'count', 'pointer', 'drift', 'separ_best'):
        assert not torch.equal(early[f'{BANK}.{name}'], late[f'{BANK}.{name}']), name
    assert not torch.equal(early['selector.average_doubt'], late['selector.average_doubt'])
    assert int(late[f'{BANK}.updates']) == MAX_ITERS
    assert not any(key.startswith('teacher.') and '.bank.' in key for key in late)
    rows, count = late[f'{BANK}.rows'], late[f'{BANK}.count']
    torch.testing.assert_close(late[f'{BANK}.sums'], rows.sum(1), rtol=1e-4, atol=1e-4)
    assert count.max() == rows.shape[1], 'the rings are full and turn round'

    lines = [line for line in csc.log('full') if 'loss' in line]
    assert min(line['contrast.loss_contrast'] for line in lines) > 0
    assert {'bank.separ', 'bank.intra_spread', 'bank.rows_min', 'contrast.accept_enqueue'} <= set(
        lines[-1]
    )


@pytest.mark.parametrize('iteration', [1, 5])
def test_resumed_is_uninterrupted(csc, iteration):
    name = f'resumed_{iteration}'
    work_dir = csc.work_dirs / name
    work_dir.mkdir()
    left = work_dir / f'iter_{iteration}.pth'
    shutil.copy(csc.work_dirs / 'full' / left.name, left)
    (work_dir / 'last_checkpoint').write_text(str(left))
    csc.ours('train.py', csc.config, '--work-dir', work_dir, '--resume')
    csc.assert_same_end('full', name)


def test_the_log_can_be_plotted(csc):
    out = csc.root / 'csc.png'
    csc.ours('analysis_tools/plot_csc.py', csc.work_dirs / 'full', '--out', out)
    assert out.stat().st_size > 10_000
