"""Folders that belong to one run, which may be interrupted and go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process

from ..datasets.files import write_file

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


def _claim(folder: Path, manifest: Mapping[str, Any]) -> None:
    path = folder / MANIFEST
    if path.is_file():
        old = json.loads(path.read_text(encoding='utf-8'))
        for key in sorted({*old, *manifest}):
            if old.get(key) != manifest.get(key):
                raise FileExistsError(
                    f'{folder} belongs to another run ({key} was {old.get(key)} there, and is '
                    f'{manifest.get(key)} now): choose another folder, or delete it'
                )
        return
    if folder.is_dir() and any(not each.name.startswith('.') for each in folder.iterdir()):
        raise FileExistsError(
            f'{folder} holds files and no {MANIFEST} of this tool: choose another folder'
        )
    write_file(path, json.dumps(manifest, indent=2) + '\n')
