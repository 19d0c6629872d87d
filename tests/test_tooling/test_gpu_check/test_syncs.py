"""Where a step waits for the card is found, as torch tells it; here by a stand-in."""

import warnings

import pytest

from mmseg_contrast.tooling.gpu_check import syncs
from mmseg_contrast.tooling.gpu_check.check import CheckFailed, Settings
from mmseg_contrast.tooling.gpu_check.methods import METHODS

SAID = 'called a synchronizing CUDA operation'


class Card:
    """Says what torch says in its modes."""

    def __init__(self):
        self.mode, self.modes = 'default', []

    def set_mode(self, mode):
        self.mode = mode
        self.modes.append(mode)

    def read(self):
        if self.mode == 'error':
            raise RuntimeError(SAID)
        if self.mode == 'warn':
            warnings.warn(SAID, stacklevel=2)


def test_a_step_that_does_not_wait():
    card = Card()
    assert syncs.waiting_places(lambda: 3, card.set_mode) == []
    assert card.modes == ['error', 'default']


def test_all_places_are_found():
    card = Card()

    def step():
        card.read()
        warnings.warn('something else', stacklevel=2)
        card.read()

    line = step.__code__.co_firstlineno
    read = card.read.__code__.co_firstlineno + 2
    assert syncs.waiting_places(step, card.set_mode) == [
        f'{__file__}:{read}',  # where the error was raised
        f'{__file__}:{line + 1}',
        f'{__file__}:{line + 3}',
    ]
    assert card.modes == ['error', 'default', 'warn', 'default']


def test_other_errors_are_raised_and_the_mode_is_reset():
    card = Card()
    with pytest.raises(RuntimeError, match='shapes'):
        syncs.waiting_places(_fail, card.set_mode)
    assert card.mode == 'default'


def _fail():
    raise RuntimeError('shapes do not fit')


@pytest.mark.parametrize(
    ('name', 'place', 'fails'),
    [
        ('c3semiseg', f'{syncs.PACKAGE}/models/x.py:3', True),
        ('c3semiseg', '/site-packages/mmseg/accuracy.py:3', True),
        ('labels_alone', '/site-packages/mmseg/accuracy.py:3', False),
        ('labels_alone', f'{syncs.PACKAGE}/models/x.py:3', True),
        ('c3semiseg', None, False),
    ],
)
def test_only_plain_mmseg_may_wait(monkeypatch, name, place, fails):
    class Step:
        def __init__(self, *_):
            self.whole = self.prepare = lambda: None
            self.on_device = lambda _: None

    monkeypatch.setattr(syncs, 'TrainingStep', Step)
    monkeypatch.setattr(syncs.torch.cuda, 'synchronize', lambda: None)
    monkeypatch.setattr(syncs, 'waiting_places', lambda _: [place] if place else [])
    cfg = next(method for method in METHODS if method.name == name).small()
    if fails:
        with pytest.raises(CheckFailed, match=r'the step waits for the card at .*\.py:3'):
            syncs.check_syncs(cfg, Settings('cuda'))
    else:
        said = syncs.check_syncs(cfg, Settings('cuda')).sentence
        assert ('in MMSegmentation alone' in said) == (place is not None)


def test_a_dry_run_does_the_step():
    said = syncs.check_syncs(METHODS[-1].small(), Settings('cpu')).sentence
    assert said == 'the step runs; nothing waits for a CPU'
