import json
import os

import pytest
import torch

from mmseg_contrast.tooling.launch import check_gpus, tool_runner

TOOL = """
import json, os, sys
json.dump(sys.argv[1:], open(f'seen{os.environ.get("RANK", "")}.json', 'w'))
sys.exit('fail' in sys.argv)
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    (tmp_path / 'tool.py').write_text(TOOL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_arguments_come_as_they_are(tools):
    tool_runner(tools, 0)('tool.py', 'a b', '--x=[1, 2]')
    assert json.loads((tools / 'seen.json').read_text()) == ['a b', '--x=[1, 2]']


def test_each_gpu_gets_a_process(tools):
    tool_runner(tools, 2)('tool.py', 'a')
    for rank in range(2):
        seen = json.loads((tools / f'seen{rank}.json').read_text())
        assert seen == ['a', '--launcher', 'pytorch']
    assert not os.path.exists('seen2.json')


def test_a_failure_is_passed_on(tools):
    with pytest.raises(RuntimeError, match=r'tool.py failed: .* the same command goes on here'):
        tool_runner(tools, 0)('tool.py', 'fail')


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    check_gpus(0)
    with pytest.raises(ValueError, match=r'--gpus 2: no GPU\(s\) visible; leave it out to run on'):
        check_gpus(2)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 4)
    check_gpus(4)
    with pytest.raises(ValueError, match=r'--gpus 8: 4 GPU\(s\) visible; give a smaller number'):
        check_gpus(8)
