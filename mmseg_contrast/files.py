"""Files that are written whole or not at all, and their hashes."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def open_atomically(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends without an error.

    Readers see the old file or the new one, never a part.

    Args:
        path (str | Path): Where to write; missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_file(path: str | Path, content: str | bytes) -> None:
    """Write a file as :func:`open_atomically` does.

    Args:
        path (str | Path): Where to write; missing folders are made.
        content (str | bytes): The whole content; text is written as UTF-8.
    """
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table as :func:`write_file` writes.

    Args:
        path (str | Path): Where to write.
        rows (Sequence[Mapping[str, Any]]): Rows, at least one; all have the columns of the first.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue())


def sha256_of(content: str | bytes | Path) -> str:
    """Hash a text, bytes or the content of a file with SHA-256.

    Args:
        content (str | bytes | Path): The text (as UTF-8), the bytes, or the path of the file, which is
            read in blocks.

    Returns:
        str: 64 hexadecimal digits.
    """
    if not isinstance(content, Path):
        return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
    digest = hashlib.sha256()
    with open(content, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
