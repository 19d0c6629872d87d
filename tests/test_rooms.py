"""Imports inside the package run one way, from the top of the list of rooms to its bottom."""

import ast
from pathlib import Path

import pytest

import mmseg_contrast

PACKAGE = Path(mmseg_contrast.__file__).parent
#: From the bottom, which imports nothing of the package, to the top. A room imports those before it.
ROOMS = (
    'version',
    'stack',
    'problem',
    'arguments',
    'files',
    'config_text',
    'run_folder',
    'scalars',
    'structures',
    'datasets',
    'models.device',
    'models.distributed',
    'models.required_hook',
    'models.slots',
    'models.schedules',
    'models.backbones',
    'models.data_preprocessors',
    'models.sampling',
    'models.losses',
    'models.class_weights',
    'models.memory',
    'models.selectors',
    'models.mixing',
    'models.perturbations',
    'models.decode_heads',
    'models.segmentors',
    'visualization',
    'evaluation',
    'projects',
    'pseudo_labels',
    'report',
    'engine',
    'registration',
    'tooling',
)
#: Modules that declare what others do; tested by these.
WITHOUT_CODE = (
    'version',
    'models.class_weights.base',
    'models.losses.unsupervised_loss',
    'models.perturbations.base',
)
#: What registers the parts of all rooms, and belongs to none.
ENTRANCES = ('', 'models')


def name_of(path, package):
    parts = path.relative_to(package).with_suffix('').parts
    return '.'.join(part for part in parts if part != '__init__')


def imports_of(path, package):
    """Return the modules of the package that a file imports, without the package's own name."""
    here = path.relative_to(package).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            start = here[: len(here) - node.level + 1]
        elif isinstance(node, ast.ImportFrom) and node.module.split('.')[0] == package.name:
            start = ()
            node.module = '.'.join(node.module.split('.')[1:])
        elif isinstance(node, ast.Import):
            names = [alias.name.split('.') for alias in node.names]
            found |= {'.'.join(name[1:]) for name in names if name[0] == package.name}
            continue
        else:
            continue
        module = '.'.join([*start, *([node.module] if node.module else [])])
        # `from . import x` imports the module x, `from .x import y` mostly a name of x.
        for alias in node.names:
            inner = package.joinpath(*module.split('.'), alias.name)
            is_module = inner.is_dir() or inner.with_suffix('.py').is_file()
            found.add('.'.join(filter(None, [module, alias.name])) if is_module else module)
    return found


def room_of(module):
    """Return the room of a module; None for an entrance, or what belongs to no room."""
    parts = module.split('.')
    names = ('.'.join(parts[:n]) for n in (2, 1))
    return next((name for name in names if name in ROOMS), None)


def upward_imports(package):
    """List the imports of a room that comes later, or of the same file by a detour over an entrance."""
    wrong = []
    for path in sorted(package.rglob('*.py')):
        name = name_of(path, package)
        if name in ENTRANCES:
            continue
        room = room_of(name)
        if room is None:
            wrong.append(f'{name} is in no room')
            continue
        for module in sorted(imports_of(path, package)):
            other = room_of(module)
            if other is None:
                wrong.append(f'{name} imports {module or package.name}, which is no room')
            elif ROOMS.index(other) > ROOMS.index(room):
                wrong.append(f'{name} imports {module}, which is above it')
    return wrong


def test_imports_run_one_way():
    assert upward_imports(PACKAGE) == []


def test_every_room_is_there():
    rooms = {room_of(name_of(path, PACKAGE)) for path in PACKAGE.rglob('*.py')}
    assert rooms - {None} == set(ROOMS)


def test_nothing_is_called_utils():
    vague = {'utils', 'util', 'common', 'misc', 'helpers'}
    names = {part for path in PACKAGE.rglob('*.py') for part in name_of(path, PACKAGE).split('.')}
    assert names & vague == set()


@pytest.mark.parametrize(
    ('place', 'line', 'said'),
    [
        ('models/losses/a.py', 'from ...engine.hooks import b', 'imports engine.hooks, which'),
        ('models/losses/a.py', 'from .. import segmentors', 'imports models.segmentors, which'),
        (
            'models/losses/a.py',
            'from ..segmentors.x import y',
            'imports models.segmentors.x, which',
        ),
        ('models/losses/a.py', 'from .. import LossLog', 'imports models, which is no room'),
        (
            'files.py',
            'import mmseg_contrast.datasets.files',
            'imports datasets.files, which is above',
        ),
        ('files.py', 'from mmseg_contrast.datasets import x', 'imports datasets, which is above'),
        (
            'datasets/a.py',
            'def f():\n    from ..tooling.cli import x',
            'imports tooling.cli, which',
        ),
        ('drawer/a.py', '', 'drawer.a is in no room'),
        ('models/losses/a.py', 'from ..device import x\nfrom ...files import y', None),
        (
            'models/losses/a.py',
            'from .b import x\nimport torch\nfrom mmseg.registry import HOOKS',
            None,
        ),
    ],
)
def test_an_import_upwards_is_found(tmp_path, place, line, said):
    package = tmp_path / 'mmseg_contrast'
    for room in ('models/segmentors', 'models/losses', 'engine', 'datasets', 'drawer'):
        (package / room).mkdir(parents=True)
    (package / place).write_text(line)
    wrong = upward_imports(package)
    assert (len(wrong) == 1 and said in wrong[0]) if said else wrong == []


def test_each_module_has_its_test():
    """Tests mirror the package path for path."""
    missing = []
    for path in sorted(PACKAGE.rglob('*.py')):
        name = name_of(path, PACKAGE)
        if path.name == '__init__.py' or name in WITHOUT_CODE:
            continue
        mirror = Path(__file__).parent.joinpath(*(f'test_{part}' for part in name.split('.')))
        if not mirror.with_suffix('.py').is_file():
            missing.append(name)
    assert missing == []
