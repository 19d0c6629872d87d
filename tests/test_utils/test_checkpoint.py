import hashlib
import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModule
from mmseg.registry import MODELS

from mmseg_contrast.utils.checkpoint import (
    allow_mmengine_checkpoints,
    checkpoint_globals,
    read_checkpoint,
    sha256,
    without_initial_weights,
    write_atomically,
)


@MODELS.register_module()
class DownloadingBackbone(BaseModule):
    """Takes `pretrained` as timm's backbones do, which load weights unless it is False."""

    def __init__(self, pretrained=True):
        super().__init__()
        assert pretrained is False, 'it would download weights'


@pytest.mark.parametrize('pretrained', [{}, {'pretrained': True}, {'pretrained': False}])
def test_a_backbone_of_timm_is_told_not_to_load_weights(pretrained):
    given = {'type': 'X', 'backbone': {'type': 'DownloadingBackbone', **pretrained}}
    model = without_initial_weights(given)
    MODELS.build(model['backbone'])
    assert given['backbone'] == {'type': 'DownloadingBackbone', **pretrained}


def test_no_weights_are_looked_for():
    init = {'type': 'Pretrained', 'checkpoint': 'nowhere.pth'}
    backbone = {'type': 'ResNet', 'depth': 18, 'frozen_stages': 1, 'init_cfg': init}
    given = {'type': 'X', 'pretrained': 'a.pth', 'init_cfg': init, 'backbone': backbone}
    assert without_initial_weights(given) == {
        'type': 'X',
        'pretrained': None,
        'backbone': {'type': 'ResNet', 'depth': 18, 'frozen_stages': 1},
    }
    given['backbone'] = {'type': 'ResNet', 'depth': 18, 'pretrained': 'b.pth'}
    built = MODELS.build(without_initial_weights(given)['backbone'])
    assert 'nowhere' not in str(built.init_cfg)
    assert 'b.pth' not in str(built.init_cfg)


@pytest.fixture
def saved(tmp_path):
    """A checkpoint as the runner writes it: the message hub holds history buffers."""
    hub = MessageHub.get_instance('test_checkpoint')
    hub.update_scalar('train/loss', 0.5)
    hub.update_scalar('train/lr', np.float64(0.25))
    path = tmp_path / 'iter_1.pth'
    content = {'meta': {'iter': 1}, 'state_dict': {'w': torch.arange(3.0)}}
    torch.save({**content, 'message_hub': hub.state_dict()}, path)
    return path


def test_read_checkpoint_of_the_runner_without_running_its_code(saved):
    with pytest.raises(pickle.UnpicklingError):  # why the allow-list is needed
        torch.load(saved, weights_only=True)
    checkpoint = read_checkpoint(saved)
    assert checkpoint['state_dict']['w'].tolist() == [0.0, 1.0, 2.0]
    # the allowance ended with the call
    assert not set(map(id, checkpoint_globals())) & set(
        map(id, torch.serialization.get_safe_globals())
    )


def test_read_checkpoint_refuses_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    torch.save({'state_dict': Evil()}, tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='cannot be read as a checkpoint'):
        read_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()


def test_read_checkpoint_errors_name_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*absent\.pth'):
        read_checkpoint(tmp_path / 'absent.pth')
    (tmp_path / 'text.pth').write_text('hello')
    with pytest.raises(ValueError, match=r'text.pth cannot be read'):
        read_checkpoint(tmp_path / 'text.pth')
    torch.save([1], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match=r'list.pth holds no state_dict'):
        read_checkpoint(tmp_path / 'list.pth')


def test_allow_mmengine_checkpoints_is_for_the_process(saved):
    before = torch.serialization.get_safe_globals()
    try:
        allow_mmengine_checkpoints()
        assert 'message_hub' in torch.load(saved, weights_only=True)
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def test_sha256(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'x' * (1 << 20) + b'y')
    assert sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_write_atomically_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / 'sub' / 'config.py'
    write_atomically(path, 'a = 1\n')
    write_atomically(path, 'a = 2\n')
    with pytest.raises(Exception, match='pickle'):
        write_atomically(path, {'state_dict': lambda: None})
    assert path.read_text() == 'a = 2\n'
    assert [p.name for p in path.parent.iterdir()] == ['config.py']
