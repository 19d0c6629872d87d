import os
import pickle

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModule
from mmseg.registry import MODELS

from mmseg_contrast.tooling.checkpoint import (
    check_checkpoint,
    checkpoint_globals,
    latest_checkpoint,
    read_checkpoint,
    without_initial_weights,
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
    with pytest.raises(ValueError, match=r'evil.pth is no checkpoint'):
        read_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()


def test_what_mmengine_alone_may_load_is_left_to_it(tmp_path):
    torch.save({'state_dict': torch.nn.Linear(1, 1)}, tmp_path / 'module.pth')
    check_checkpoint(tmp_path / 'module.pth')


@pytest.mark.parametrize('kind', [torch.nn.Linear, torch.nn.ReLU])
def test_a_module_saved_whole_is_told(tmp_path, kind):
    path = tmp_path / 'module.pth'
    torch.save(kind(1, 1) if kind is torch.nn.Linear else kind(), path)
    with pytest.raises(ValueError) as error:
        check_checkpoint(path)
    assert str(error.value) == (
        f'{path} holds a whole {kind.__name__} and not its weights: save its state_dict() instead'
    )


def a_folder(path):
    path.mkdir()
    return 'is a folder: give the path of a .pth file in it'


def nothing_there(path):
    return 'give the path of a .pth file'


def an_empty_file(path):
    path.touch()
    return 'is empty: give a .pth file that a training wrote'


def half_a_checkpoint(path):
    torch.save({'state_dict': {'w': torch.ones(9)}}, path)
    path.write_bytes(path.read_bytes()[:-99])
    return 'is cut off: copy or save it again'


def a_text(path):
    path.write_text('epoch 1 of 3\n')
    return 'is no checkpoint: give a .pth file that a training wrote'


def a_photo(path):
    path.write_bytes(cv2.imencode('.jpg', np.full((9, 9, 3), 7, np.uint8))[1].tobytes())
    return 'is no checkpoint'


def a_png(path):
    path.write_bytes(cv2.imencode('.png', np.full((9, 9, 3), 7, np.uint8))[1].tobytes())
    return 'is no checkpoint'


def a_pickle(path):
    path.write_bytes(pickle.dumps({'state_dict': {'w': 1}}))
    return 'is no checkpoint'


def an_archive(path):
    with open(path, 'wb') as file:  # with a name, the suffix would be added
        np.savez(file, w=np.ones(3))
    return 'is no checkpoint'


@pytest.mark.parametrize('legacy', [False, True])
def test_weights_are_accepted_in_both_formats(tmp_path, legacy):
    weights = {'w': torch.ones(3)}
    for index, content in enumerate((weights, {'state_dict': weights})):
        path = tmp_path / f'{index}.pth'
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        check_checkpoint(path)
    assert read_checkpoint(path)['state_dict']['w'].tolist() == [1, 1, 1]


NO_CHECKPOINTS = (
    a_folder,
    nothing_there,
    an_empty_file,
    half_a_checkpoint,
    a_text,
    a_photo,
    a_png,
    a_pickle,
    an_archive,
)


@pytest.mark.parametrize('make', NO_CHECKPOINTS)
@pytest.mark.parametrize('look', [check_checkpoint, read_checkpoint])
def test_what_is_no_checkpoint_gets_one_sentence(tmp_path, make, look):
    said = make(tmp_path / 'given')
    with pytest.raises((OSError, ValueError)) as caught:
        look(tmp_path / 'given')
    assert f'{tmp_path}/given' in str(caught.value)
    assert said in str(caught.value)
    assert 'weights_only' not in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('content', [[1], {}, {'state_dict': {}}, {'state_dict': 1}, torch.ones(2)])
def test_a_file_of_torch_without_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / 'given.pth')
    with pytest.raises(ValueError, match=r'given.pth holds no weights: give a .pth file that'):
        check_checkpoint(tmp_path / 'given.pth')


def test_a_list_is_no_state_dict(tmp_path):
    torch.save([1], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match=r'list.pth holds no state_dict'):
        read_checkpoint(tmp_path / 'list.pth')


def test_weights_alone_cannot_be_resumed(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save({'state_dict': {'w': torch.ones(1)}}, path)
    check_checkpoint(path)
    with pytest.raises(ValueError, match=r'weights.pth holds weights and no optimizer, so that no'):
        check_checkpoint(path, resume=True)


def test_the_latest_checkpoint_is_the_noted_one_wherever_the_folder_is(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    for iteration in (2, 4, 10):
        (tmp_path / f'iter_{iteration}.pth').touch()
    note = tmp_path / 'last_checkpoint'
    note.write_text(str(tmp_path / 'iter_4.pth'))
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_4.pth')
    note.write_text('/moved/from/iter_4.pth')
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_4.pth'), 'iter_10 may be half of one'
    note.write_text('/moved/from/iter_7.pth')
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_10.pth')
