import pytest
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
    required.announce()
    required.check()
