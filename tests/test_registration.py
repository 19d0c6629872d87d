from mmengine.registry import DefaultScope

from mmseg_contrast.registration import register_all_modules


def test_default_scope_only_when_asked():
    register_all_modules(init_default_scope=False)
    assert DefaultScope.get_current_instance() is None
    register_all_modules()
    assert DefaultScope.get_current_instance().scope_name == 'mmseg'


def test_registering_twice_changes_nothing():
    from mmseg.registry import MODELS, TRANSFORMS

    register_all_modules()
    before = dict(MODELS.module_dict), dict(TRANSFORMS.module_dict)
    register_all_modules()
    assert before == (MODELS.module_dict, TRANSFORMS.module_dict)
