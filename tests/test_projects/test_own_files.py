import json

import pytest

from mmseg_contrast.projects.own_files import RECORD, OwnFiles


def write(folder, **files):
    own = OwnFiles(folder)
    for name, content in files.items():
        own.write(name, content)
    own.finish(note=1)
    return own.kept


def texts(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.name != RECORD}


def test_files_are_written_again(tmp_path):
    folder = tmp_path / 'new'
    assert write(folder, a='1', b=b'2') == []
    assert texts(folder) == {'a': '1', 'b': '2'}
    assert write(folder, a='3', b=b'2') == []
    assert texts(folder) == {'a': '3', 'b': '2'}
    assert OwnFiles(folder).record['note'] == 1


def test_what_was_changed_by_hand_is_kept(tmp_path):
    folder = tmp_path / 'new'
    write(folder, a='1', b='2')
    (folder / 'a').write_text('mine')
    for content in ('3', '4'):  # and the next time too
        assert write(folder, a=content, b=content) == ['a']
        assert texts(folder) == {'a': 'mine', 'b': content}
    (folder / 'a').unlink()
    assert write(folder, a='5', b='5') == []
    assert texts(folder) == {'a': '5', 'b': '5'}


def test_a_change_that_comes_to_the_same_is_none(tmp_path):
    write(tmp_path / 'new', a='1')
    (tmp_path / 'new/a').write_text('2')
    assert write(tmp_path / 'new', a='2') == []


def test_what_is_not_wanted_any_more_is_deleted_unless_it_was_changed(tmp_path):
    folder = tmp_path / 'new'
    write(folder, a='1', b='2', c='3')
    (folder / 'b').write_text('mine')
    (folder / 'other').write_text('not ours')
    assert write(folder, a='1') == ['b']
    assert texts(folder) == {'a': '1', 'b': 'mine', 'other': 'not ours'}


def test_an_interrupted_call_is_given_again(tmp_path):
    own = OwnFiles(tmp_path / 'new')
    own.write('a', '1')
    assert write(tmp_path / 'new', a='1', b='2') == []


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / 'a').write_text('x')
    with pytest.raises(FileExistsError, match='no project of this tool; give another --out'):
        OwnFiles(tmp_path)
    for record in ('{', '{}', '[]'):
        (tmp_path / RECORD).write_text(record)
        with pytest.raises(ValueError, match='cannot be read'):
            OwnFiles(tmp_path)
    (tmp_path / RECORD).write_text(json.dumps({'files': {}}))
    assert OwnFiles(tmp_path).is_changed('a')
