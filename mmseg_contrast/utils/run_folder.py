"""Folders that belong to one run, which may be interrupted and go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..datasets.files import write_file

MANIFEST = 'run.json'


def claim_folder(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make a folder this run's own, or find that it is.

    Args:
        folder (Path): The folder; made where it does not exist.
        manifest (Mapping[str, Any]): What identifies the run, as JSON can hold it.

    Raises:
        FileExistsError: If the folder holds anything of another run; says what differs.
    """
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
