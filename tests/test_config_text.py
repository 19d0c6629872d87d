import pytest
from mmengine.config import Config

from mmseg_contrast.config_text import read_config_text


def test_reads_what_mmengine_writes():
    config = {
        'a': {'type': 'X', 'n': -1, 's': (1, 2.5), 'l': [{'b': None}, True]},
        'keys': {'with.dot': {'lr_mult': 0.1}},
        'quoted': 'it\'s "quoted"',
    }
    assert read_config_text(Config(config).pretty_text) == config


def test_does_not_execute(tmp_path):
    with pytest.raises(ValueError, match='malformed node'):
        read_config_text(f"a = __import__('os').mkdir({str(tmp_path / 'ran')!r})")
    with pytest.raises(ValueError, match='line 2 of the config is no assignment'):
        read_config_text('a = 1\nimport os')
    assert not (tmp_path / 'ran').exists()
