import pytest

from mmseg_contrast.run_folder import (
    claim_folder,
    first_difference,
    locked,
    read_manifest,
    set_aside,
)


def test_a_folder_belongs_to_one_run(tmp_path):
    folder = tmp_path / 'out'
    claim_folder(folder, {'a': 1, 'b': [2]})
    claim_folder(folder, {'a': 1, 'b': [2]})
    with pytest.raises(FileExistsError, match=r'another run \(a was 1 there, and is 3 now\)'):
        claim_folder(folder, {'a': 3, 'b': [2]})
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError, match=r'holds files and no run.json'):
        claim_folder(tmp_path, {})


def test_what_is_set_aside_gets_a_free_name(tmp_path):
    for number in (1, 2):
        (tmp_path / 'run').mkdir()
        assert set_aside(tmp_path / 'run') == tmp_path / f'run.old{number}'


def test_the_first_key_that_differs_is_named():
    assert first_difference({'a': 1, 'b': 2}, {'b': 2, 'a': 1}) is None
    assert first_difference({'b': 2, 'c': 0}, {'b': 3, 'c': 1}) == 'b was 2 there, and is 3 now'
    assert first_difference({}, {'z': 1}) == 'z was None there, and is 1 now'


def test_a_folder_of_no_run(tmp_path):
    assert read_manifest(tmp_path / 'none') is None
    (tmp_path / '.lock').touch()
    assert read_manifest(tmp_path) is None, 'hidden files belong to nobody'
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError, match=r'holds files and no run\.json'):
        read_manifest(tmp_path)
    with pytest.raises(NotADirectoryError, match='is a file: choose another folder'):
        read_manifest(tmp_path / 'file')


def test_a_lock_is_of_one_and_goes_with_it(tmp_path):
    pytest.importorskip('fcntl')
    with (
        locked(tmp_path),
        pytest.raises(BlockingIOError, match='another process is at work in'),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass
