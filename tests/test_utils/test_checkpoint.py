import hashlib
import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from mmseg_contrast.utils.checkpoint import (
    allow_mmengine_checkpoints,
    checkpoint_globals,
    read_checkpoint,
    sha256,
    write_atomically,
)


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
