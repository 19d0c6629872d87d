"""Folders that belong to one run, which may be interrupted and go on."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process

from .files import write_file

MANIFEST = 'run.json'


def claim_folder(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make a folder this run's own, or find that it is; of several processes one looks, for all.

    Args:
        folder (Path): The folder; made where it does not exist.
        manifest (Mapping[str, Any]): What identifies the run, as JSON can hold it.

    Raises:
        FileExistsError: If the folder holds anything of another run; says what differs.
    """
    problem = [None]
    if is_main_process():
        try:
            _claim(folder, manifest)
        except FileExistsError as error:
            problem = [str(error)]
    broadcast_object_list(problem)
    if problem[0]:
        raise FileExistsError(problem[0])


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from working in a folder as long as this one, or a child of it, lives.

    Args:
        folder (Path): The folder. Its lock goes with the processes, however they end.

    Raises:
        BlockingIOError: If another process has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder / '.lock', os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f'another process is at work in {folder}: wait for it, or end it, and try again'
            ) from None
        os.set_inheritable(handle, True)
        yield
    finally:
        os.close(handle)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what identifies the run that a folder belongs to, or None where it belongs to none.

    Args:
        folder (Path): The folder; it may not exist.

    Raises:
        FileExistsError: If it holds files that no tool of this package has claimed.
        NotADirectoryError: If it is a file.
    """
    path = folder / MANIFEST
    if path.is_file():
        return json.loads(path.read_text(encoding='utf-8'))
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f'{folder} is a file: choose another folder')
    if folder.is_dir() and any(not each.name.startswith('.') for each in folder.iterdir()):
        raise FileExistsError(
            f'{folder} holds files and no {MANIFEST} of this tool: choose another folder'
        )
    return None


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Say in which key two manifests differ first, or return None where they are equal.

    Args:
        old (Mapping[str, Any]): What is in the folder.
        new (Mapping[str, Any]): What is asked for, as JSON would give it back.
    """
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            return f'{key} was {old.get(key)} there, and is {new.get(key)} now'
    return None


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make a folder a run's own.

    Args:
        folder (Path): The folder; made where it does not exist.
        manifest (Mapping[str, Any]): What identifies the run, as JSON can hold it.
    """
    write_file(folder / MANIFEST, json.dumps(manifest, indent=2) + '\n')


def set_aside(folder: Path) -> Path:
    """Rename a folder to the first free name of the form ``NAME.old1``, and return the new path.

    Args:
        folder (Path): The folder.
    """
    names = (folder.with_name(f'{folder.name}.old{number}') for number in itertools.count(1))
    return folder.rename(next(name for name in names if not name.exists()))


def _claim(folder: Path, manifest: Mapping[str, Any]) -> None:
    old = read_manifest(folder)
    if old is None:
        write_manifest(folder, manifest)
    elif difference := first_difference(old, manifest):
        raise FileExistsError(
            f'{folder} belongs to another run ({difference}): choose another folder, or delete it'
        )
