"""Reading and writing checkpoint files."""

import inspect
import pickle
import pickletools
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import find_latest_checkpoint
from mmseg.registry import MODELS

# How files of torch.save began before they were zip files: the pickle of its magic number.
LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[:-1]


def checkpoint_globals() -> list[Any]:
    """Return what, besides tensors, MMEngine's runner pickles into a checkpoint."""
    numpy_core = getattr(np, '_core', None) or np.core
    scalars = (np.bool_, np.int32, np.int64, np.uint8, np.float16, np.float32, np.float64)
    return [
        HistoryBuffer,
        getattr,  # a HistoryBuffer holds references to its own methods
        numpy_core.multiarray._reconstruct,
        numpy_core.multiarray.scalar,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(scalar)) for scalar in scalars},
    ]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint of MMEngine's runner on the CPU, with no types but those it pickles.

    Args:
        path (str | Path): The checkpoint.

    Returns:
        dict[str, Any]: Its content, with the weights under ``state_dict``.

    Raises:
        OSError: If there is no such file, or it is a folder.
        ValueError: If the file is not a checkpoint of MMEngine.
    """
    try:
        checkpoint = _load(Path(path))
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} holds more than weights and what MMEngine saves beside them: give a checkpoint '
            'written by MMEngine'
        ) from error
    if not isinstance(checkpoint, dict) or 'state_dict' not in checkpoint:
        raise ValueError(f'{path} holds no state_dict: give a checkpoint written by MMEngine')
    return checkpoint


def check_checkpoint(path: str | Path, resume: bool = False) -> None:
    """Refuse a file that holds no weights, before anything is built.

    What holds types that are not loaded here is left to MMEngine, which may be told to load them.

    Args:
        path (str | Path): A checkpoint of MMEngine, or weights alone.
        resume (bool): Whether a run is to go on from it. Defaults to False.

    Raises:
        OSError: If there is no such file, or it is a folder.
        ValueError: If the file is no checkpoint.
    """
    try:
        checkpoint = _load(Path(path))
    except pickle.UnpicklingError as error:
        if kind := _pickled_object(Path(path)):
            raise ValueError(
                f'{path} holds a whole {kind} and not its weights: save its state_dict() instead'
            ) from error
        return
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not any(map(torch.is_tensor, weights.values())):
        raise ValueError(f'{path} holds no weights: give a .pth file that a training wrote')
    missing = [key for key in ('optimizer', 'message_hub', 'meta') if key not in checkpoint]
    if resume and missing:
        raise ValueError(
            f'{path} holds weights and no {missing[0]}, so that no run can go on from it: start a new '
            f'run from it with --cfg-options load_from={path}'
        )


def _pickled_object(path: Path) -> str | None:
    """Return the type of what was saved whole, such as a module; None for a dict, or if not known."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            if name.endswith('/data.pkl'):
                # The first opcode says what it is, without building it.
                opcodes = pickletools.genops(file.read(name))
                first, of, _ = next(
                    each for each in opcodes if each[0].name not in ('PROTO', 'FRAME')
                )
                if first.name == 'GLOBAL' and of != 'collections OrderedDict':
                    return of.rpartition(' ')[2].rpartition('.')[2]
    return None


def _load(path: Path) -> Any:
    """Load a file with no types but those that MMEngine pickles; other types raise UnpicklingError."""
    if path.is_dir():
        raise IsADirectoryError(f'{path} is a folder: give the path of a .pth file in it')
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}: give the path of a .pth file')
    if path.stat().st_size == 0:
        raise ValueError(f'{path} is empty: give a .pth file that a training wrote')
    with open(path, 'rb') as file:
        start = file.read(len(LEGACY))
    zipped = zipfile.is_zipfile(path)
    if not zipped and start.startswith(b'PK'):
        raise ValueError(f'{path} is cut off: copy or save it again')
    # Allowed inside this block alone; older releases of torch cannot limit it, and do without.
    limit = getattr(torch.serialization, 'safe_globals', None)
    try:
        if not zipped and start != LEGACY:
            raise ValueError('not a file of torch.save')
        with limit(checkpoint_globals()) if limit else nullcontext():
            # Mapped, so that looking into it does not read all of it.
            return torch.load(
                str(path), map_location='cpu', weights_only=limit is not None, mmap=zipped
            )
    except Exception as error:  # a file that is no pickle fails in any way
        if isinstance(error, pickle.UnpicklingError) and 'Unsupported global' in str(error):
            raise
        raise ValueError(
            f'{path} is no checkpoint: give a .pth file that a training wrote'
        ) from error


def without_initial_weights(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a model that is built without looking for weights anywhere.

    Args:
        model (Mapping[str, Any]): Config of a segmentor; it stays as it is.
    """
    backbone = {
        k: v for k, v in model['backbone'].items() if k not in ('init_cfg', 'checkpoint_path')
    }
    kind = backbone.get('of', backbone['type'])  # a FrozenBackbone takes the arguments of another
    taken = inspect.signature(MODELS.get(kind) if isinstance(kind, str) else kind).parameters
    default = getattr(taken.get('pretrained'), 'default', None)
    # MMSegmentation's backbones take a path or None; those of timm True, their default, or False.
    if isinstance(backbone.get('pretrained', default), bool):
        backbone['pretrained'] = False
    elif 'pretrained' in backbone:
        backbone['pretrained'] = None
    kept = {key: value for key, value in model.items() if key != 'init_cfg'}
    return {**kept, 'pretrained': None, 'backbone': backbone}


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Return the checkpoint that a run goes on from, or None where there is none.

    It is the one that MMEngine noted, which also knows that it is whole; in a folder that was moved, the
    one of that name; and if that was removed, the newest that is there.

    Args:
        work_dir (str | Path): Work folder of the run.
    """
    noted = find_latest_checkpoint(str(work_dir))
    if noted is None or Path(noted).is_file():
        return noted
    here = Path(work_dir) / Path(noted).name
    if here.is_file():
        return str(here)
    found = {int(p.stem[5:]): p for p in Path(work_dir).glob('iter_*.pth') if p.stem[5:].isdigit()}
    return str(found[max(found)]) if found else None
