import sys

import pytest

from mmseg_contrast.stack import ONEDL, OPENMMLAB, diagnose, find_line, release

ONEDL_STACK = {
    'torch': '2.13.0+cpu',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmsegmentation': '1.4.2',
}
OPENMMLAB_STACK = {
    'torch': '2.1.0',
    'mmengine': '0.10.7',
    'mmcv': '2.1.0',
    'mmsegmentation': '1.2.2',
}


@pytest.mark.parametrize(
    ('version', 'numbers'),
    [
        ('2.13.0+cpu', (2, 13, 0)),
        ('0.10.8rc1', (0, 10, 8)),
        ('2.3', (2, 3, 0)),
        ('unknown', (0, 0, 0)),
    ],
)
def test_release(version, numbers):
    assert release(version) == numbers


def test_release_compares_numbers_and_not_text():
    assert release('0.10.12') > release('0.10.9')


@pytest.mark.parametrize(('versions', 'line'), [(ONEDL_STACK, ONEDL), (OPENMMLAB_STACK, OPENMMLAB)])
def test_both_stacks_are_supported(versions, line):
    assert diagnose(versions) is None
    assert find_line(versions) is line


def test_no_torch_comes_first():
    assert diagnose({}) == 'PyTorch is not installed; run: pip install torch==2.13.0'


def test_no_stack():
    assert diagnose({'torch': '2.13.0'}) == (
        'No OpenMMLab stack is installed; run: pip install "onedl-mmengine>=0.10.12" '
        '"onedl-mmcv>=2.3" "onedl-mmsegmentation>=1.4"'
    )


def test_incomplete_stack_names_what_is_missing():
    versions = {k: v for k, v in ONEDL_STACK.items() if k != 'onedl-mmcv'}
    assert diagnose(versions).startswith('onedl-mmcv is not installed; run: pip install "onedl-')


@pytest.mark.parametrize(
    ('base', 'name', 'version', 'minimum'),
    [
        (ONEDL_STACK, 'onedl-mmengine', '0.10.9', '0.10.12'),
        (ONEDL_STACK, 'onedl-mmcv', '2.2.9', '2.3'),
        (ONEDL_STACK, 'onedl-mmsegmentation', '1.3.0', '1.4'),
        (OPENMMLAB_STACK, 'mmengine', '0.9.1', '0.10'),
        (OPENMMLAB_STACK, 'mmcv', '2.0.1', '2.1'),
        (OPENMMLAB_STACK, 'mmsegmentation', '1.1.0', '1.2.2'),
        (ONEDL_STACK, 'torch', '1.13.1', '2.0'),
    ],
)
def test_too_old(base, name, version, minimum):
    sentence = diagnose({**base, name: version})
    assert sentence.startswith(f'{name} {version} is older than {minimum}; run: pip install')


@pytest.mark.parametrize('intruder', ['mmcv', 'mmcv-lite', 'mmengine', 'mmpretrain'])
def test_mixed_stack_uninstalls_all_before_it_installs_one(intruder):
    versions = {**ONEDL_STACK, intruder: '1.0'}
    sentence = diagnose(versions)
    assert find_line(versions) is None
    assert sentence.startswith('Two OpenMMLab stacks are mixed')
    assert (
        'run: pip uninstall -y onedl-mmengine onedl-mmcv onedl-mmsegmentation '
        f'{intruder} && pip install "onedl-mmengine>=0.10.12"'
    ) in sentence


def test_import_of_the_package_raises_the_sentence(monkeypatch):
    import mmseg_contrast.stack as stack

    monkeypatch.setattr(stack, 'installed_versions', lambda: {'torch': '2.13.0'})
    monkeypatch.delitem(sys.modules, 'mmseg_contrast')
    with pytest.raises(ImportError, match='mmseg_contrast cannot be used: No OpenMMLab stack'):
        __import__('mmseg_contrast')
