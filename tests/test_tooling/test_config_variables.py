from mmengine.config import Config

from mmseg_contrast.tooling.config_variables import parse_config, replaced

BASE = """
import math
size = (4, 4)
length = 100
crop = dict(type='Crop', size=size)
pipeline = [dict(type='Load'), crop]
data = dict(pipeline=pipeline)
schedule = dict(end=length, half=length // 2, root=math.sqrt(length))
"""
CHILD = '''"""Computes with the variables of its base."""
_base_ = './base.py'
length = 2 * _base_.length
schedule = dict(end=length, base=_base_.length)
data = _base_.data
data.name = 'child'
same = {{_base_.data}}
place = '{{ fileBasenameNoExtension }}'
model = dict(size=_base_.size, again={{_base_.size}}, pipeline=_base_.data.pipeline)
'''


def parse(folder, **variables):
    (folder / 'base.py').write_text(BASE)
    (folder / 'child.py').write_text(CHILD)
    named = {name.replace('__', '.'): value for name, value in variables.items()}
    return parse_config(folder / 'child.py', named)


def test_without_variables_it_is_what_mmengine_reads(tmp_path):
    found = parse(tmp_path)
    assert found.to_dict() == Config.fromfile(tmp_path / 'child.py').to_dict()
    assert (found.place, found.schedule.end, found.schedule.base) == ('child', 200, 100)


def test_the_override_wins_in_the_config_and_in_its_base(tmp_path):
    found = parse(tmp_path, length=16, size=(8, 9))
    assert found.schedule.to_dict() == {'end': 16, 'half': 8, 'root': 4.0, 'base': 16}
    assert found.crop.size == found.data.pipeline[1].size == (8, 9)
    assert found.model.size == found.model.again == found.same.pipeline[1].size == (8, 9)
    assert (found.length, found.size) == (16, (8, 9))


def test_what_is_dumped_is_the_overridden_config(tmp_path):
    found = parse(tmp_path, length=16, size=(8, 9))
    found.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == found.to_dict()


def test_a_part_of_a_variable(tmp_path):
    found = parse(tmp_path, size__1=9, crop__pad=3, pipeline__0__type='LoadFile')
    assert found.model.size == (4, 9)
    crop = {'type': 'Crop', 'size': (4, 9), 'pad': 3}
    assert [step.to_dict() for step in found.model.pipeline] == [{'type': 'LoadFile'}, crop]


def test_a_part_that_the_config_changes_later(tmp_path):
    assert parse(tmp_path).data.name == 'child'
    assert parse(tmp_path, data__name='given').data.name == 'given'


def test_imports_from_the_future_stay_first(tmp_path):
    (tmp_path / 'own.py').write_text(
        'from __future__ import annotations\nsize = 3\ntwice = 2 * size'
    )
    assert parse_config(tmp_path / 'own.py', {'size': 4}).twice == 8


def test_the_next_parse_is_a_plain_one(tmp_path):
    parse(tmp_path, length=16)
    assert Config.fromfile(tmp_path / 'child.py').length == 200


def test_replaced_changes_nothing_in_place():
    tree = {'a': [1, (2, {'b': 3})], 'c': 4}
    assert replaced(tree, ['a', '1', '1', 'b'], 5) == {'a': [1, (2, {'b': 5})], 'c': 4}
    assert tree == {'a': [1, (2, {'b': 3})], 'c': 4}
    assert replaced(tree, ['c'], 4) is tree
    assert replaced(tree, ['a', '7'], 4) is tree
    assert replaced(tree, ['new', 'path'], 4) is tree
    assert replaced(1, [], 2) == 2
