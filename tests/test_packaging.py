import inspect
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import mmcv.transforms
import mmseg.datasets.transforms
import pytest
from mmengine import Registry
from mmengine.registry import root

import mmseg_contrast

ROOT = Path(__file__).parents[1]
MIM = ('configs', 'tools', 'data_lists', 'model-index.yml')


def test_version_is_stated_once():
    assert re.fullmatch(r'\d+\.\d+\.\d+', mmseg_contrast.__version__)
    text = (ROOT / 'mmseg_contrast/version.py').read_text()
    assert f"__version__ = '{mmseg_contrast.__version__}'" in text


def test_setup_imports_neither_torch_nor_the_stack():
    code = (
        'import sys; sys.argv = ["setup.py", "--version"]\n'
        'for name in ("torch", "mmengine", "mmcv", "mmseg", "numpy"): sys.modules[name] = None\n'
        'import runpy; runpy.run_path("setup.py", run_name="__main__")'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(mmseg_contrast.__version__)


def requirements(name):
    lines = (ROOT / f'requirements/{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def test_no_requirement_pulls_a_torch():
    for path in (ROOT / 'requirements').glob('*.txt'):
        if path.stem != 'tested':
            assert not [r for r in requirements(path.stem) if r.startswith('torch')], path


def test_the_two_stacks_are_never_asked_for_together():
    onedl = {re.split('[<>=]', line)[0] for line in requirements('onedl')}
    original = {re.split('[<>=]', line)[0] for line in requirements('openmmlab')}
    assert onedl == {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation'}
    assert {'mmengine', 'mmcv', 'mmsegmentation'} <= original
    assert not onedl & original


def test_requirements_agree_with_the_import_check():
    from mmseg_contrast.stack import LINES

    for line in LINES:
        required = requirements(line.extra)
        for name, minimum in line.minimum.items():
            assert any(each.startswith(f'{name}>={minimum}') for each in required), (name, minimum)


def test_tested_set_pins_everything_that_is_required():
    tested = dict(line.split('==') for line in requirements('tested'))
    assert next(iter(tested)) == 'torch'
    for name in ('runtime', 'onedl', 'transformers', 'demo', 'polygons', 'tests', 'docs'):
        for line in requirements(name):
            assert re.split('[<>=]', line)[0] in tested, line


@pytest.mark.parametrize('name', [name for name in MIM if name != 'model-index.yml'])
def test_what_mim_looks_for_is_in_the_source_archive(name):
    assert f'recursive-include {name} *' in (ROOT / 'MANIFEST.in').read_text()


def test_wheel_carries_configs_and_tools_under_mim(tmp_path):
    """Builds from a copy: a build writes into the tree that it is run in."""
    pytest.importorskip('setuptools')
    for name, content in {
        'README.md': 'x',
        'LICENSE': 'x',
        'model-index.yml': 'Import: []',
        'configs/a/a.py': 'a = 1',
        'tools/train.py': '',
        'tools/__pycache__/train.pyc': '',
        'data_lists/d/d.0@1by8.txt': 'stem',
        'mmseg_contrast/__init__.py': '',
        'mmseg_contrast/models/__init__.py': '',
        'tests/test_x.py': '',
        'setup.py': (ROOT / 'setup.py').read_text(),
        'mmseg_contrast/version.py': (ROOT / 'mmseg_contrast/version.py').read_text(),
        **{f'requirements/{p.name}': p.read_text() for p in (ROOT / 'requirements').glob('*')},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'bdist_wheel'], cwd=tmp_path, check=True, timeout=120
    )
    [wheel] = (tmp_path / 'dist').glob('*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        'mmseg_contrast/__init__.py',
        'mmseg_contrast/models/__init__.py',
        'mmseg_contrast/.mim/configs/a/a.py',
        'mmseg_contrast/.mim/tools/train.py',
        'mmseg_contrast/.mim/data_lists/d/d.0@1by8.txt',
        'mmseg_contrast/.mim/model-index.yml',
    } <= names
    assert not [n for n in names if n.endswith('.pyc') or n.startswith('tests/')]


# These two take the place of the original on purpose: the name stands in every pipeline, and MMSeg's
# inferencer and TTA look for it, so that a name of our own would leave the errors to those who know it.
REPLACED = {
    'LoadAnnotations': mmseg.datasets.transforms.LoadAnnotations,
    'LoadImageFromFile': mmcv.transforms.LoadImageFromFile,
}


def registries():
    from mmseg import registry

    return [each for each in vars(registry).values() if isinstance(each, Registry)]


def ours(registry):
    return {
        name: component
        for name, component in registry.module_dict.items()
        if component.__module__.startswith('mmseg_contrast.')
    }


def test_our_names_are_free_in_mmseg_and_mmengine():
    """A name that a parent has as well would be shadowed, or shadow it, depending on the scope."""
    count = 0
    for registry in registries():
        names = ours(registry)
        count += len(names)
        names = {name: part for name, part in names.items() if name not in REPLACED}
        taken = set(registry.parent.module_dict) & set(names) if registry.parent else set()
        assert not taken, f'{registry.name}: {taken} is a name of mmengine'
        for name, component in names.items():
            with pytest.raises(KeyError, match='already registered'):
                registry.register_module(name=name, module=component, force=False)
    assert count > 5
    assert root.MODELS.get('SemiSupervisedSegmentor') is None


def test_what_takes_the_place_of_an_original_is_one():
    from mmseg.registry import TRANSFORMS

    assert {name for name in ours(TRANSFORMS) if name in REPLACED} == set(REPLACED)
    for name, original in REPLACED.items():
        mine = TRANSFORMS.get(name)
        assert issubclass(mine, original) and mine is not original
        assert inspect.signature(mine) == inspect.signature(original)
