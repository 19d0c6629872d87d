import hashlib
import os

import pytest
import torch

from mmseg_contrast.files import open_atomically, sha256_of, write_csv, write_file


def test_write_file_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'file.txt'
    write_file(path, 'old')
    monkeypatch.setattr('os.replace', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_file(path, 'new')
    assert path.read_text() == 'old'
    assert list(path.parent.iterdir()) == [path]  # no temporary file is left


def test_sha256_of_known_value(tmp_path):
    (tmp_path / 'abc').write_bytes(b'abc')
    known = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert sha256_of('abc') == sha256_of(b'abc') == sha256_of(tmp_path / 'abc') == known


def test_a_large_file_is_hashed_in_blocks(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'x' * (1 << 20) + b'y')
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_old_file_stays_when_the_block_fails(tmp_path):
    path = tmp_path / 'sub' / 'config.py'
    write_file(path, 'a = 1\n')
    write_file(path, 'a = 2\n')
    with pytest.raises(Exception, match='pickle'), open_atomically(path) as file:
        torch.save({'state_dict': lambda: None}, file)
    assert path.read_text() == 'a = 2\n'
    assert [p.name for p in path.parent.iterdir()] == ['config.py']


@pytest.mark.parametrize(('umask', 'mode'), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_file(tmp_path / 'file', b'x')
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / 'file').stat().st_mode & 0o777 == mode


def test_a_table_has_the_columns_of_its_first_row(tmp_path):
    write_csv(tmp_path / 'table.csv', [{'class': 'road', 'n': 1}, {'class': 'a, b', 'n': 2}])
    assert (tmp_path / 'table.csv').read_text() == 'class,n\nroad,1\n"a, b",2\n'
