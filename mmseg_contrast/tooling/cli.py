"""What the training and the test tool share: arguments, config, checks, one-sentence errors."""

import argparse
import ast
import os
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.device import get_device

from ..datasets.checks import require_images
from .checkpoint import check_checkpoint
from .launch import fit_to_cpus, join_on_cpus
from .overrides import read_config, refuse

_USER_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)


class ChangesAction(DictAction):
    """Reads KEY=VALUE ... into a dict as MMEngine does, and tells what is no such pair.

    Raises:
        SystemExit: From the parser, with one sentence.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Put the dict into the namespace."""
        changes = dict(getattr(namespace, self.dest) or {})
        for pair in values:
            key, equals, text = pair.partition('=')
            if not (key and equals):
                parser.error(
                    f'{option_string}: {pair} is no KEY=VALUE, such as train_cfg.max_iters=100'
                )
            if key in changes:
                parser.error(f'{option_string}: {key} is given twice')
            try:
                changes[key] = self._parse_value(text)
            except (AssertionError, SyntaxError, ValueError) as error:
                parser.error(f'{option_string}: the value of {pair} cannot be read: {error}')
        setattr(namespace, self.dest, changes)

    def _parse_value(self, text: str) -> Any:
        """Read a dict as Python does, and text with blanks, such as a path, as it is."""
        if text.startswith('{'):
            return ast.literal_eval(text)
        if any(sign in text for sign in ',([') or text.strip('\'"') != text:
            return self._parse_iterable(text)
        return self._parse_int_float_bool(text)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that MMSegmentation's training and test tools have in common.

    Args:
        parser (argparse.ArgumentParser): Parser of the tool.
    """
    parser.add_argument('--work-dir', help='folder for logs and results')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ChangesAction,
        help='override config keys, such as train_cfg.max_iters=100 model.decode_head.channels=64',
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='launcher'
    )
    # torchrun sets the environment variable; older launchers pass the argument.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def _full_name(error: Exception) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__name__}'


@contextmanager
def one_sentence(*errors: type[Exception]) -> Iterator[None]:
    """End the program with one sentence and exit code 1, in place of a traceback.

    Args:
        *errors (type[Exception]): What counts as the user's. Defaults to everything that
            building from a wrong config raises.
    """
    try:
        yield
    except Exception as error:
        if sys.flags.dev_mode or not isinstance(error, errors or _USER_ERRORS):
            raise
        while isinstance(error, ImportError) and isinstance(error.__context__, ImportError):
            error = error.__context__  # MMEngine says, twice, which import failed; this says why
        if isinstance(error, pickle.UnpicklingError):
            error = ValueError(
                'torch refuses to load this checkpoint of the original MMEngine: for a file that '
                'you trust, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1, or use the onedl stack'
            )
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        if isinstance(error, OSError) and error.filename:
            said = f'{error.filename}: {error.strerror}'
            if isinstance(error, FileExistsError | NotADirectoryError):
                said += ', and is no folder: give another path'
        said = str(said).strip()
        if 'Original Traceback' in said:
            # From a worker of the dataloader, which puts the type before the sentence.
            said = said.splitlines()[-1].removeprefix(f'{_full_name(error)}: ')
        text = ' '.join(said.split()) or 'no reason given'
        sys.exit(f'error: {type(error).__name__}: {text} (python -X dev shows the traceback)')


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and put the common arguments into it.

    Args:
        args (argparse.Namespace): With ``config`` and what :func:`add_common_arguments` adds.

    Returns:
        Config: Ready for the runner. The work folder is, in this order, the argument's, the
        config's, or ``work_dirs/`` and the name of the config.

    Raises:
        FileNotFoundError: If there is no such config.
        KeyError: If an overridden key is none of the config or the runner.
        ValueError: If a launcher is given that cannot do without GPUs.
    """
    on_cpus = args.launcher != 'none' and get_device() == 'cpu'
    if on_cpus:
        join_on_cpus(args.launcher)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    options = args.cfg_options or {}
    refuse(options, {'launcher': 'give --launcher'}, '--cfg-options')
    if args.work_dir:
        refuse(options, {'work_dir': 'leave out --work-dir, or this'}, '--cfg-options')
    cfg = read_config(args.config, options)
    cfg.launcher = args.launcher
    if on_cpus:
        fit_to_cpus(cfg)
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    return cfg


def require_keys(cfg: Mapping[str, Any], *keys: str) -> None:
    """Refuse a config that lacks what a tool needs, such as that of another framework.

    Args:
        cfg (Mapping[str, Any]): The config.
        *keys (str): Keys of it that have a value.

    Raises:
        ValueError: If one is missing.
    """
    missing = [key for key in keys if not cfg.get(key)]
    if missing:
        raise ValueError(
            f'the config has no {", ".join(missing)}: give a whole config of MMSegmentation 1.x'
        )


#: Backbones whose weights are a folder, a name on a hub or a file of another kind; see to them.
OWN_FORMATS = ('TransformersBackbone', 'PaddedTIMMBackbone')


def check_weights(cfg: Mapping[str, Any]) -> None:
    """Refuse files that a model starts from and that hold no weights, before anything is built.

    Args:
        cfg (Mapping[str, Any]): The config; ``load_from`` and each ``Pretrained`` of its model are looked
            at, unless they are addresses.

    Raises:
        OSError: If a file is not there.
        ValueError: If a file is no checkpoint.
    """
    begun = cfg.get('load_from')
    if begun and '://' not in begun:
        check_checkpoint(begun, resume=bool(cfg.get('resume')))
    for path in {*_pretrained(cfg['model'])}:
        if '://' not in path:
            check_checkpoint(path)


def _pretrained(node: Any) -> Iterator[str]:
    """Yield the checkpoints that the parts of a model are initialised with."""
    if isinstance(node, Mapping):
        if node.get('of', node.get('type')) in OWN_FORMATS:
            return
        if node.get('type') == 'Pretrained' and isinstance(node.get('checkpoint'), str):
            yield node['checkpoint']
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from _pretrained(child)


def check_data(cfg: Mapping[str, Any], loaders: tuple[str, ...]) -> None:
    """Refuse a data set whose folders or images are not there, before anything is built.

    Args:
        cfg (Mapping[str, Any]): The config.
        loaders (tuple[str, ...]): Keys of the dataloaders that will be used.

    Raises:
        FileNotFoundError: Naming the folder or the list, and the dataloader.
        ValueError: If a data set has no image.
    """
    for loader in loaders:
        for dataset in leaf_datasets((cfg.get(loader) or {}).get('dataset')):
            require_images(dataset, loader)


def leaf_datasets(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every data set that reads files, however deep in wrappers.

    Args:
        node (Any): ``dataset`` of a dataloader.
    """
    if isinstance(node, Mapping):
        if 'data_root' in node or 'data_prefix' in node:
            yield node
        for key in ('dataset', 'datasets'):
            yield from leaf_datasets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from leaf_datasets(child)


def describe_training(cfg: Mapping[str, Any], world_size: int, device: str) -> str:
    r"""Return the line that says what a step of this run really is.

    .. math:: B_\text{eff} = B_\text{process} \cdot W \cdot k

    with :math:`W` processes and gradients accumulated over :math:`k` iterations.

    Args:
        cfg (Mapping[str, Any]): The config.
        world_size (int): Number of processes.
        device (str): Kind of device, such as ``'cuda'``.

    Returns:
        str: Effective batch, ratio of labelled to unlabelled images, learning rate, device.
    """
    loader, wrapper = cfg['train_dataloader'], cfg['optim_wrapper']
    batch, accumulated = loader['batch_size'], wrapper.get('accumulative_counts', 1)
    effective = batch * world_size * accumulated
    ratio = (loader.get('sampler') or {}).get('source_ratio')
    sources = ':'.join(f'{share:g}' for share in ratio) if ratio else 'all labelled'
    lr = wrapper.get('optimizer', {}).get('lr')
    scaling = cfg.get('auto_scale_lr') or {}
    if lr is not None and scaling.get('enable'):
        lr *= batch * world_size / scaling['base_batch_size']  # as the runner does
    return (
        f'effective batch {effective} ({batch} x {world_size} process(es) x {accumulated} '
        f'accumulated), labelled:unlabelled {sources}, '
        f'LR {"set by the optimiser" if lr is None else f"{lr:g}"}, device {device}'
    )
