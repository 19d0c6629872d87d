import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_contrast.registration import register_all_modules

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'extract_branch.py'
CLASSES = 11
NORM = {'type': 'BN'}


def head(index, **kwargs):
    return {
        'type': 'FCNHead',
        'in_channels': 16,
        'in_index': index,
        'channels': 8,
        'num_convs': 1,
        'num_classes': CLASSES,
        'norm_cfg': NORM,
        **kwargs,
    }


def plain_model():
    return {
        'type': 'EncoderDecoder',
        'backbone': {
            'type': 'ResNet',
            'depth': 18,
            'base_channels': 16,
            'num_stages': 1,
            'strides': (1,),
            'dilations': (1,),
            'out_indices': (0,),
            'norm_cfg': NORM,
        },
        'decode_head': head(0, dropout_ratio=0),
        'auxiliary_head': [head(0)],
    }


@pytest.fixture
def run(tmp_path):
    """A semi-supervised checkpoint, its branches of different weights, and two images."""
    register_all_modules()
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
    for name in ('a', 'b'):
        cv2.imwrite(str(tmp_path / f'images/{name}.jpg'), rng.integers(0, 256, (32, 32, 3)))
        cv2.imwrite(str(tmp_path / f'masks/{name}.png'), rng.integers(0, CLASSES, (32, 32)))
    preprocessor = {'type': 'MultiBranchDataPreprocessor', 'size': (32, 32), 'seg_pad_val': 255}
    loader = {
        'batch_size': 1,
        'num_workers': 0,
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'dataset': {
            'type': 'CamVidDataset',
            'data_root': str(tmp_path),
            'data_prefix': {'img_path': 'images', 'seg_map_path': 'masks'},
            'pipeline': [
                {'type': 'LoadImageFromFile'},
                {'type': 'LoadAnnotations'},
                {'type': 'PackSegInputs'},
            ],
        },
    }
    contrast = {'type': 'PixelContrastHead'}
    config = {
        'default_scope': 'mmseg',
        'custom_imports': {'imports': ['mmseg_contrast'], 'allow_failed_imports': False},
        'custom_hooks': [{'type': 'MeanTeacherHook'}],
        'model': {
            **plain_model(),
            'type': 'SemiSupervisedSegmentor',
            'data_preprocessor': preprocessor,
            # a loss of ours, as in the configs: it must not tie the plain config to this package
            'decode_head': head(0, dropout_ratio=0, loss_decode={'type': 'PixelCrossEntropyLoss'}),
            'auxiliary_head': [contrast, head(0)],
            'semi_train_cfg': {'burn_in': 1},
            'test_cfg': {'mode': 'whole'},
        },
        'val_dataloader': loader,
        'val_evaluator': {'type': 'IoUMetric', 'iou_metrics': ['mIoU']},
        'val_cfg': {'type': 'TeacherStudentValLoop'},
        'test_dataloader': loader,
        'test_evaluator': {'type': 'IoUMetric', 'iou_metrics': ['mIoU']},
        'test_cfg': {'type': 'TestLoop'},
    }
    state = {}
    for seed, prefix in enumerate(('', 'teacher.')):
        torch.manual_seed(seed)
        for key, value in MODELS.build(plain_model()).state_dict().items():
            # the contrast head stands first, so the ordinary head is number 1
            state[prefix + key.replace('auxiliary_head.0', 'auxiliary_head.1')] = value
        state[f'{prefix}auxiliary_head.0.projector.weight'] = torch.ones(2)
        state[f'{prefix}auxiliary_head.0.bank.rows'] = torch.ones(2)
    checkpoint = tmp_path / 'iter_5.pth'
    torch.save(
        {
            'meta': {'cfg': Config(config).pretty_text, 'iter': 5, 'seed': 0},
            'state_dict': state,
            'optimizer': {'state': torch.ones(1000)},
            'message_hub': {},
            'param_schedulers': [],
        },
        checkpoint,
    )
    return checkpoint


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('extract_branch', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def extract(tool, run, out, branch, *more):
    tool.main([str(run), str(out), '--branch', branch, *more])
    return torch.load(out, weights_only=True)


@pytest.mark.parametrize(('branch', 'seed'), [('student', 0), ('teacher', 1)])
def test_the_weights_are_those_of_the_branch(tool, run, tmp_path, capsys, branch, seed):
    plain = extract(tool, run, tmp_path / 'out.pth', branch)
    torch.manual_seed(seed)
    expected = MODELS.build(plain_model()).state_dict()
    assert set(plain['state_dict']) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(plain['state_dict'][key], value, rtol=0, atol=0)
    assert set(plain) == {'meta', 'state_dict'}
    assert plain['meta']['iter'] == 5

    printed = capsys.readouterr().out
    assert f'{len(expected)} tensors, each fits the plain model' in printed
    assert hashlib.sha256((tmp_path / 'out.pth').read_bytes()).hexdigest() in printed
    assert 'note:' not in printed


def test_nothing_is_overwritten_without_force(tool, run, tmp_path):
    out = tmp_path / 'out.pth'
    first = extract(tool, run, out, 'student')
    with pytest.raises(FileExistsError, match=r'out.pth and .*out.py exists: .* --force'):
        extract(tool, run, out, 'teacher')
    second = extract(tool, run, out, 'teacher', '--force')
    key = 'backbone.conv1.weight'
    assert not torch.equal(first['state_dict'][key], second['state_dict'][key])


def test_weights_that_do_not_fit_are_not_written(tool, run, tmp_path):
    checkpoint = torch.load(run, weights_only=True)
    del checkpoint['state_dict']['teacher.decode_head.conv_seg.weight']
    torch.save(checkpoint, run)
    with pytest.raises(ValueError, match=r'do not fit the plain model: .*conv_seg.weight'):
        extract(tool, run, tmp_path / 'out.pth', 'teacher')
    assert not (tmp_path / 'out.pth').exists()


def test_a_checkpoint_without_a_teacher_gives_one_sentence(run, tmp_path):
    checkpoint = torch.load(run, weights_only=True)
    checkpoint['state_dict'] = {
        k: v for k, v in checkpoint['state_dict'].items() if not k.startswith('teacher.')
    }
    torch.save(checkpoint, run)
    done = subprocess.run(
        [sys.executable, str(TOOL), str(run), str(tmp_path / 'out.pth'), '--branch', 'teacher'],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(TOOL.parents[2])},
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'error: the checkpoint holds no teacher' in done.stderr


PLAIN_TEST = """
import json, runpy, sys
sys.modules['mmseg_contrast'] = None  # any import of it now fails
try:
    import mmseg_contrast
except ImportError:
    pass
else:
    raise SystemExit('mmseg_contrast can be imported')
config, checkpoint, work_dir, tool = sys.argv[1:]
sys.argv = [tool, config, checkpoint, '--work-dir', work_dir]
runpy.run_path(tool, run_name='__main__')
assert not [name for name in sys.modules if name.startswith('mmseg_contrast.')]
"""


def test_plain_mmseg_tests_it_where_this_package_cannot_be_imported(tool, run, tmp_path):
    out = tmp_path / 'teacher.pth'
    plain = extract(tool, run, out, 'teacher')
    mmseg_tool = Path(importlib.util.find_spec('mmseg').origin).parent / '.mim/tools/test.py'
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            PLAIN_TEST,
            str(out.with_suffix('.py')),
            str(out),
            str(tmp_path / 'work'),
            str(mmseg_tool),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'do not match' not in done.stdout + done.stderr
    [scores] = [json.loads(path.read_text()) for path in tmp_path.glob('work/*/*.json')]

    # the same numbers from the teacher's weights, by hand
    model = MODELS.build(plain_model()).eval()
    model.load_state_dict(plain['state_dict'])
    correct = total = 0
    for name in ('a', 'b'):
        image = torch.from_numpy(cv2.imread(str(tmp_path / f'images/{name}.jpg'))).float()
        mask = torch.from_numpy(cv2.imread(str(tmp_path / f'masks/{name}.png'), 0))
        with torch.no_grad():
            logits = model.encode_decode(
                image.permute(2, 0, 1)[None], [{'img_shape': (32, 32), 'ori_shape': (32, 32)}]
            )
        correct += (logits.argmax(1)[0] == mask).sum().item()
        total += mask.numel()
    assert scores['aAcc'] == pytest.approx(100 * correct / total, abs=0.01)
