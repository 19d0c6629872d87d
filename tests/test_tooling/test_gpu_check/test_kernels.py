import pytest
import torch

from mmseg_contrast.tooling.gpu_check import kernels
from mmseg_contrast.tooling.gpu_check.check import CheckFailed, Settings
from mmseg_contrast.tooling.loss_cases import CASES

ROW = {
    'case': 'within_image 2 x 65x65',
    'form': 'streamed',
    'ms': '2.00',
    'MiB': '12.00',
    'time ratio': '1.90',
    'memory ratio': '56.00',
    'difference': '2.0e-07',
}


def test_a_dry_run_compares_the_values_and_measures_nothing():
    said = kernels.check_case('bank_update', Settings('cpu'))
    assert said.sentence == 'the values of the naive form; nothing is measured without a card'
    for figure in said.figures:
        assert figure['ms'] is figure['mib'] is figure['time_ratio'] is None
        assert figure['difference'] < 1e-5


def test_what_is_said_of_a_card(monkeypatch):
    dense = ROW | {'form': 'dense', 'time ratio': '1.00', 'memory ratio': '1.00'}
    monkeypatch.setattr(kernels, 'measure', lambda *_: [ROW, dense])
    monkeypatch.setitem(kernels.CASES, 'csc', lambda *_: [None])
    said = kernels.check_case('csc', Settings('cuda'))
    assert said.sentence == (
        'within_image 2 x 65x65, streamed: 1.9 times as fast with 1/56 of the memory'
    )
    assert said.figures[0] == {
        'what': 'within_image 2 x 65x65, streamed',
        'ms': 2.0,
        'mib': 12.0,
        'time_ratio': 1.9,
        'memory_ratio': 56.0,
        'difference': 2e-7,
    }


def test_a_dense_form_that_does_not_fit_is_said(monkeypatch):
    missing = dict.fromkeys(('ms', 'MiB', 'time ratio', 'memory ratio', 'difference'), '-')
    ours = ROW | {'time ratio': '-', 'memory ratio': '-', 'difference': '-'}
    dense = ROW | {'form': 'dense'} | missing
    monkeypatch.setattr(kernels, 'measure', lambda *_: [ours, dense])
    monkeypatch.setitem(kernels.CASES, 'csc', lambda *_: [None])
    said = kernels.check_case('csc', Settings('cuda'))
    assert said.sentence.endswith('the naive form does not fit')
    assert said.figures[1]['ms'] is None


def test_another_value_fails(monkeypatch):
    monkeypatch.setattr(kernels, 'measure', lambda *_: [ROW | {'difference': '2.0e-02'}])
    monkeypatch.setitem(kernels.CASES, 'csc', lambda *_: [None])
    with pytest.raises(
        CheckFailed, match='not the value of the naive form: within_image'
    ) as caught:
        kernels.check_case('csc', Settings('cuda'))
    assert len(caught.value.figures) == 1


@pytest.mark.parametrize(
    ('name', 'tiles'), [('within_image', kernels.SUPERVISED_TILES), ('csc', kernels.GROUPED_TILES)]
)
def test_tiles_of_other_sizes_are_used_in_a_block_alone(name, tiles):
    torch.manual_seed(0)
    case = next(iter(CASES[name]('tiny', 'cpu')))
    whole, before = case.forms[0].loss().item(), dict(tiles)
    with kernels.tile_numbers(tiles, 'cpu', 16):
        assert tiles['cpu'] == 16
        assert case.forms[0].loss().item() == pytest.approx(whole, rel=1e-5)
    assert before == tiles


def test_the_fastest_tile_is_named_and_nothing_is_changed(monkeypatch):
    before = [dict(tiles) for tiles in (kernels.SUPERVISED_TILES, kernels.GROUPED_TILES)]

    def tune(case, sizes, settings):
        times = {2**20: 3.0, 2**24: 1.0, 2**26: 2.0}
        return [
            {'what': f'{case} {n}', 'case': case, 'numbers': n, 'ms': ms, 'mib': 1.0}
            for n, ms in times.items()
        ]

    for name in ('within_image', 'c3semiseg', 'csc'):
        monkeypatch.setitem(kernels.CASES, name, lambda *_, name=name: [name])
    monkeypatch.setattr(kernels, 'tune_case', tune)
    said = kernels.tune_tiles(Settings('cuda'))
    assert said.sentence == (
        'numbers in the fastest tile: within_image: 2^24, c3semiseg: 2^24, csc: 2^24'
    )
    assert len(said.figures) == 9
    assert [dict(tiles) for tiles in (kernels.SUPERVISED_TILES, kernels.GROUPED_TILES)] == before


def test_tuning_runs_dry():
    said = kernels.tune_tiles(Settings('cpu'))
    assert said.sentence == 'all sizes run; nothing is measured without a card'
    assert {figure['numbers'] for figure in said.figures} == set(kernels.TRIED)
    assert all(figure['ms'] is None for figure in said.figures)
