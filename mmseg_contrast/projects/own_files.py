"""Files that are written again without losing what a person has changed in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import sha256_of, write_file

RECORD = 'project.json'


class OwnFiles:
    """The files of a folder that a tool has written, known by their hashes.

    A file that has another hash now was changed by hand, and is kept.

    Args:
        folder (Path): The folder.

    Raises:
        FileExistsError: If the folder holds files, and no record.
        ValueError: If the record cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: list[str] = []
        self.record: dict[str, Any] = {}
        self._written: dict[str, str] = {}
        path = folder / RECORD
        if path.is_file():
            try:
                self.record = json.loads(path.read_text(encoding='utf-8'))
                self._hashes = dict(self.record['files'])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f'{path}: cannot be read ({type(error).__name__}); give another --out, or delete the '
                    'folder.'
                ) from error
        elif folder.is_dir() and any(folder.iterdir()):
            raise FileExistsError(
                f'{folder}: the folder is there, and no project of this tool; give another --out.'
            )
        else:
            self._hashes = {}

    def is_changed(self, name: str) -> bool:
        """Tell whether a file is there that was not written by the tool, or changed since.

        Args:
            name (str): Its path below the folder.
        """
        path = self.folder / name
        return path.is_file() and sha256_of(path) != self._hashes.get(name)

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, unless a person has changed it.

        Args:
            name (str): Its path below the folder.
            content (str | bytes): Its content.
        """
        path, digest = self.folder / name, sha256_of(content)
        if self.is_changed(name) and sha256_of(path) != digest:
            self.keep(name)
            return
        if not (self.folder / RECORD).is_file():
            # so that the same command goes on after an interruption
            write_file(self.folder / RECORD, json.dumps({'files': {}}) + '\n')
        if not path.is_file() or sha256_of(path) != digest:
            write_file(path, content)
        self._written[name] = digest

    def keep(self, name: str) -> None:
        """Leave a file that a person has changed as it is.

        Args:
            name (str): Its path below the folder.
        """
        self.kept.append(name)
        if name in self._hashes:
            self._written[name] = self._hashes[name]

    def finish(self, **record: Any) -> None:
        """Delete what was written at an earlier time and is not any more, and write the record.

        Args:
            record: More to remember.
        """
        for name in self._hashes.keys() - self._written.keys():
            if self.is_changed(name):
                self.keep(name)
            else:
                (self.folder / name).unlink(missing_ok=True)
        files = dict(sorted(self._written.items()))
        write_file(self.folder / RECORD, json.dumps({**record, 'files': files}, indent=1) + '\n')
