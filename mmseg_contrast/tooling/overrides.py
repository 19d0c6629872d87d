"""Changing a config by KEY=VALUE, so that each change does something or is refused."""

import difflib
import dis
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmseg import registry
from torch.utils.data import DataLoader

from .config_variables import parse_config, replaced
from .package_files import find_config

# Read by MMEngine from the config itself, beside the arguments of its runner.
_CONFIG_KEYS = {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
}
#: Top-level keys that are read once the config is parsed. All others are variables of the file.
#: The runner takes ``data_preprocessor`` only for a model that has none.
SETTINGS = (
    set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg', 'data_preprocessor'}
) | _CONFIG_KEYS
_DATALOADER = {'dataset', 'sampler', 'num_batch_per_epoch'} | set(
    inspect.signature(DataLoader.__init__).parameters
)
_MULTIPLIERS = {'lr_mult', 'decay_mult'}
# Keys of dicts that no class checks, by the end of the path; '*' is any key.
_FREE_DICTS = {
    ('train_dataloader',): _DATALOADER,
    ('val_dataloader',): _DATALOADER,
    ('test_dataloader',): _DATALOADER,
    ('auto_scale_lr',): {'enable', 'base_batch_size'},
    ('default_hooks',): {
        'runtime_info',
        'timer',
        'sampler_seed',
        'logger',
        'param_scheduler',
        'checkpoint',
        'visualization',
    },
    ('env_cfg',): {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    ('mp_cfg',): {'mp_start_method', 'opencv_num_threads'},
    ('randomness',): {'seed', 'diff_rank_seed', 'deterministic'},
    ('paramwise_cfg',): {
        'custom_keys',
        'bias_lr_mult',
        'bias_decay_mult',
        'norm_decay_mult',
        'flat_decay_mult',
        'dwconv_decay_mult',
        'dcn_offset_lr_mult',
        'bypass_duplicate',
        # of the layer-wise constructors
        'layer_decay',
        'num_layers',
        'decay_rate',
        'decay_type',
    },
    ('custom_keys', '*'): _MULTIPLIERS,
    ('data_prefix',): {'img_path', 'seg_map_path', 'depth_map_path'},
    ('model', 'train_cfg'): set(),
    ('model', 'test_cfg'): {'mode', 'stride', 'crop_size'},
    ('data_preprocessor', 'test_cfg'): {'size', 'size_divisor'},
}
# Keys beside a type that are read before the class is built.
_BESIDE_A_TYPE = {
    'optim_wrapper': {'optimizer', 'paramwise_cfg', 'constructor'},
    'norm_cfg': {'requires_grad'},
    'backbone': {'of'},  # what a FrozenBackbone is made of
    'init_cfg': {'override'},
}
_DEFAULT_TYPES = {'log_processor': 'LogProcessor', 'optim_wrapper': 'OptimWrapper'}


def read_config(
    path: str | Path, options: Mapping[str, Any] | None = None, flag: str = '--cfg-options'
) -> Config:
    """Read a config with changes, each of which changes what is read of it.

    Settings, such as ``train_cfg.max_iters``, are changed as MMEngine does. Variables, such as
    ``crop_size``, are changed before the config computes with them.

    Args:
        path (str | Path): The config, or the name of one of the package.
        options (Mapping[str, Any], optional): Values by dotted key. Defaults to None.
        flag (str): Where the changes come from, for the messages. Defaults to ``'--cfg-options'``.

    Raises:
        FileNotFoundError: If there is no such config.
        KeyError: If nothing has or reads a key.
        ValueError: If a value is of the wrong kind, two changes exclude each other, or nothing
            follows a variable.
    """
    path = find_config(path)
    cfg = _from_file(path)
    if not options:
        return cfg
    _check_exclusive(options, flag)
    for key, value in options.items():
        _check_option(cfg, key, value, f'{flag} {key}')
    variables = {key: value for key, value in options.items() if _root(key) not in SETTINGS}
    if variables:
        cfg = _with_variables(path, cfg, variables, flag)
    rest = {}
    for key, value in options.items():
        if key not in variables:
            whole, new = _through_tuples(cfg, key.split('.'), value)
            if whole == key:
                rest[key] = value
            else:  # at once, for another element of the tuple may follow
                cfg.merge_from_dict({whole: new})
    cfg.merge_from_dict(rest)
    if any(_root(key) == 'custom_imports' for key in options):
        import_modules_from_strings(**cfg.custom_imports)
    return cfg


def _from_file(path: str | Path) -> Config:
    """Read a config, with errors that name it."""
    if Path(path).suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise ValueError(f'{path} is no config: give the path of a .py file')
    try:
        return Config.fromfile(path)
    except (NameError, SyntaxError) as error:
        raise ValueError(f'{path}, or a _base_ of it, cannot be read: {error}') from error


def refuse(options: Mapping[str, Any], reasons: Mapping[str, str], flag: str) -> None:
    """Refuse keys that a tool sets by itself.

    Args:
        options (Mapping[str, Any]): Values by dotted key.
        reasons (Mapping[str, str]): What to do instead, by key; for what stands below it too.
        flag (str): Where the changes come from.

    Raises:
        ValueError: If one of them is changed.
    """
    for option in options:
        for key, remedy in reasons.items():
            if option == key or option.startswith(f'{key}.'):
                raise ValueError(f'{flag} {option}: this tool sets {key} itself; {remedy}')


def _root(key: str) -> str:
    return key.partition('.')[0]


def _check_exclusive(options: Mapping[str, Any], flag: str) -> None:
    for key in options:
        for other in options:
            if other.startswith(f'{key}.'):
                raise ValueError(f'{flag} {key} replaces all of it, {other} too: give one of them')


def _with_variables(
    path: str | Path, plain: Config, variables: Mapping[str, Any], flag: str
) -> Config:
    """Parse with variables, and refuse one that changes nothing that is read."""
    changed = _parse(path, variables, flag)
    for key, value in variables.items():
        others = {other: variables[other] for other in variables if other != key}
        without = _parse(path, others, flag) if others else plain
        if _what_is_read(without) != _what_is_read(changed):
            continue
        name, *keys = key.split('.')
        if replaced(without[name], keys, value) is without[name] or without[name] == changed[name]:
            continue  # it has that value already
        places = _places(plain, key.split('.')[-1], _value_at(plain, key))
        remedy = f'change {", ".join(places)}' if places else 'leave it out'
        raise ValueError(
            f'{flag} {key}: nothing that is read of {path} follows this variable; {remedy}'
        )
    return changed


def _parse(path: str | Path, variables: Mapping[str, Any], flag: str) -> Config:
    try:
        return parse_config(path, variables)
    except Exception as error:
        given = ' '.join(f'{key}={value}' for key, value in variables.items())
        raise ValueError(f'{flag} {given}: {path} cannot be read with it: {error}') from error


def _what_is_read(cfg: Config) -> dict[str, Any]:
    model = cfg.get('model')
    return {
        key: value
        for key, value in cfg.to_dict().items()
        if key in SETTINGS or (key == 'data_preprocessor' and not (model and key in model))
    }


def _value_at(node: Any, key: str) -> Any:
    for step in key.split('.'):
        node = node[int(step)] if isinstance(node, (list, tuple)) else node.get(step)
    return node


def _places(cfg: Config, name: str, value: Any, limit: int = 4) -> list[str]:
    """Return paths of what is read that has the name of a variable or, if none has, its value."""
    found = list(_walk(_what_is_read(cfg), ''))
    named = [path for path, _ in found if path.rpartition('.')[2] == name]
    telling = isinstance(value, (str, list, tuple, Mapping)) and value
    same = [path for path, other in found if telling and other == value]
    return (named or same)[:limit]


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = node.items() if isinstance(node, Mapping) else enumerate(node)
    for key, child in children:
        place = f'{path}.{key}'.lstrip('.')
        yield place, child
        if isinstance(child, (Mapping, list, tuple)):
            yield from _walk(child, place)


def _through_tuples(node: Any, keys: Sequence[str], value: Any) -> tuple[str, Any]:
    """Write a change of an element of a tuple, which MMEngine cannot merge, as one of the tuple."""
    for depth, key in enumerate(keys):
        if isinstance(node, tuple):
            return '.'.join(keys[:depth]), replaced(node, keys[depth:], value)
        if isinstance(node, list):
            node = node[int(key)]
        else:
            node = node.get(key) if isinstance(node, (Mapping, Config)) else None
    return '.'.join(keys), value


def _check_option(cfg: Config, option: str, value: Any, said: str) -> None:
    """Refuse a key that nobody would read, or a value that does not fit the one in its place."""
    node: Any = cfg
    keys = option.split('.')
    for depth, key in enumerate(keys):
        place = '.'.join(keys[:depth])
        if isinstance(node, (list, tuple)):
            if not (key.isdigit() and int(key) < len(node)):
                raise KeyError(
                    f'{said}: {place} is a list of {len(node)}, and {key} is none of '
                    f'{place}.0 to {place}.{len(node) - 1}'
                )
            node = node[int(key)]
            continue
        if not isinstance(node, (Mapping, Config)):
            raise ValueError(f'{said}: {place} is {node} in the config and has no {key} to change')
        if key not in node:
            _check_new_key(node, keys[:depth], key, said)
        node = node[key] if key in node else {} if depth < len(keys) - 1 else None
    _check_kind(node, value, said)


def _check_new_key(node: Mapping[str, Any], place: list[str], key: str, said: str) -> None:
    """Refuse a new key of a dict unless its reader knows it."""
    known, is_open = (SETTINGS, False) if not place else _known_keys(node, place)
    if key in known or key == '_delete_':
        return
    names = {*known, *node}
    near = difflib.get_close_matches(key, sorted(names), n=1)
    if is_open and not near:
        return
    known = known or set(node)
    where = '.'.join(place)
    if near:
        hint = f'did you mean {near[0]}?'
    else:
        hint = f'{where or "the config"} has {", ".join(sorted(known) if place else node)}'
    raise KeyError(f'{said}: there is no key {key}{f" in {where}" if where else ""}; {hint}')


def _known_keys(node: Mapping[str, Any], place: list[str]) -> tuple[set[str], bool]:
    """Return the keys that the reader of a dict knows, and whether it may read others.

    Args:
        node (Mapping[str, Any]): The dict.
        place (list[str]): The keys down to it.
    """
    # A FrozenBackbone takes the arguments of another backbone.
    kind = node.get('of', node.get('type', _DEFAULT_TYPES.get(place[-1])))
    if kind is not None:
        classes = _classes(kind)
        parameters = [_parameters(each) for each in classes]
        known = {'type', *_BESIDE_A_TYPE.get(place[-1], ())}.union(*(p for p, _ in parameters))
        return known, not classes or any(is_open for _, is_open in parameters)
    for end, known in _FREE_DICTS.items():
        last = place[-len(end) :]
        if len(last) == len(end) and all(e in ('*', p) for e, p in zip(end, last)):
            return known, place == ['default_hooks']
    return set(), True


def _classes(kind: Any) -> list[Any]:
    """Return what a type may mean in the registries."""
    if not isinstance(kind, str):
        return [kind]
    found = [each.get(kind) for each in vars(registry).values() if isinstance(each, Registry)]
    return [each for each in found if each is not None]


def _parameters(build: Any) -> tuple[set[str], bool]:
    """Return the parameters of a class or function, and whether it uses others too.

    Those of a base are its own as far as it passes ``**kwargs`` on. A ``**kwargs`` that a function
    never looks at takes nothing.
    """
    is_class = inspect.isclass(build)
    owners = [each for each in build.__mro__ if '__init__' in vars(each)] if is_class else [build]
    names: set[str] = set()
    for owner in owners:
        function = owner.__init__ if is_class else owner
        if owner is object:
            break
        try:
            parameters = inspect.signature(function).parameters.values()
        except ValueError:  # written in C
            return names, True
        names |= {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {'self'}
        rest = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        if not (rest and _uses(inspect.unwrap(function), rest[0])):
            return names, False
    return names, True


def _uses(function: Any, name: str) -> bool:
    instructions = dis.get_instructions(function)
    return any(i.argval == name and i.opname.startswith('LOAD') for i in instructions)


def _check_kind(old: Any, new: Any, said: str) -> None:
    """Refuse text for a number, one element for a list, and the like."""
    if old is None or new is None:
        return
    number = (int, float)
    said = f'{said}={new}'
    if isinstance(old, bool) != isinstance(new, bool) and isinstance(old, number):
        kind = 'True or False' if isinstance(old, bool) else 'a number'
        raise ValueError(f'{said}: it is {old} in the config; give {kind}')
    if isinstance(old, number) and isinstance(new, str):
        raise ValueError(f'{said}: it is {old} in the config; give a number')
    if isinstance(old, (list, tuple)) and isinstance(new, (str, *number)):
        brackets = f'[{new}]' if isinstance(old, list) else f'"({new},)"'
        raise ValueError(f'{said}: it is a list of {len(old)} in the config; give {brackets}')
    if isinstance(old, Mapping) and not isinstance(new, Mapping):
        raise ValueError(
            f'{said}: it has {", ".join(map(str, old))} in the config; change one of these'
        )
