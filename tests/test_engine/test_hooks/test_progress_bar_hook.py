from types import SimpleNamespace

from mmseg.registry import HOOKS


def test_the_bar_has_a_step_for_each_batch(capsys):
    hook = HOOKS.build({'type': 'ProgressBarHook', 'title': 'masks'})
    runner = SimpleNamespace(test_dataloader=range(3))
    hook.before_test(runner)
    assert hook.bar.total == 3
    for index in range(3):
        hook.after_test_iter(runner, index)
        assert hook.bar.n == index + 1
    hook.after_test(runner)
    shown = capsys.readouterr().err
    assert 'masks' in shown and '3/3' in shown
