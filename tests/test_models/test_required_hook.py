import pytest
from mmengine.hooks import EMAHook, IterTimerHook
from mmengine.logging import MessageHub

from mmseg_contrast.models.required_hook import RequiredHook


def test_is_asked_for_only_where_a_runner_trains():
    required = RequiredHook('MeanTeacherHook', 'the teacher never moves')
    hub = MessageHub.get_current_instance()
    required.check()
    hub.update_info('loop_stage', 'val')
    required.check()
    hub.update_info('loop_stage', 'train')
    with pytest.raises(
        ValueError, match=r'no MeanTeacherHook, so that the teacher never moves: add'
    ):
        required.check()
    required.announce([])
    required.check()


def test_is_refused_where_it_would_do_its_work_twice():
    required = RequiredHook('IterTimerHook', 'nothing is timed')
    required.announce([IterTimerHook(), EMAHook()])
    with pytest.raises(ValueError, match=r'has 2 of IterTimerHook, and each would .*: leave one'):
        required.announce([IterTimerHook(), EMAHook(), IterTimerHook()])
