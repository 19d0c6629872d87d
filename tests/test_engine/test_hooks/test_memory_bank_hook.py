import pytest
import torch
from helpers import CHANNELS, plain_cfg, runner_cfg, semi_cfg
from mmengine.runner import Runner


def bank_cfg(**kwargs):
    return {
        'type': 'ClassBankContrastHead',
        'in_channels': CHANNELS,
        'channels': 5,
        'in_index': 1,
        'num_classes': 3,
        'bank': {'type': 'ClassMemoryBank', 'size': 8},
        'bank_start': 2,
        'confidence': None,
        **kwargs,
    }


def runner(tmp_path, head=None, **kwargs):
    model = semi_cfg(size=(16, 16), auxiliary_head=[head] if head else None, mixing=None)
    hooks = [{'type': 'MeanTeacherHook'}, {'type': 'MemoryBankHook', 'interval': 2}]
    return Runner.from_cfg(runner_cfg(tmp_path, model, hooks=hooks, **kwargs))


def test_commits_after_each_step_and_counts_the_labelled_images(tmp_path):
    run = runner(tmp_path, bank_cfg(), max_iters=4)
    head = run.model.auxiliary_head[0]
    seen = []
    step = run.model.train_step

    def watched(*args, **kwargs):
        seen.append(int(head.bank.updates))
        return step(*args, **kwargs)

    run.model.train_step = watched
    run.train()
    assert seen == [0, 0, 0, 1] and int(head.bank.updates) == 2
    assert head.labeled_images == 8 and head.rows_per_image() == 1
    assert run.model.teacher.auxiliary_head[0].bank is None
    fill = run.message_hub.get_scalar('train/bank.fill').data[0]
    assert fill.tolist() == pytest.approx([0, float(head.bank.count.sum()) / 24])
    assert fill[-1] > 0


def test_a_given_number_of_labelled_images_is_kept(tmp_path):
    run = runner(tmp_path, bank_cfg(labeled_images=2), max_iters=1)
    run.train()
    assert run.model.auxiliary_head[0].labeled_images == 2


def test_accumulated_gradients_commit_each_batch_once(tmp_path):
    run = runner(tmp_path, bank_cfg(bank_start=0), max_iters=4, accumulative_counts=2)
    run.train()
    assert int(run.model.auxiliary_head[0].bank.updates) == 4


def test_an_empty_bank_is_said_once(tmp_path):
    run = runner(tmp_path, bank_cfg(confidence=1.0), max_iters=12)
    messages = []
    run.logger.warning = lambda text, *_: messages.append(text)
    run.train()
    assert sum('has stayed empty' in m for m in messages) == 1


def test_works_in_a_plain_segmentor(tmp_path):
    model = plain_cfg(size=(16, 16), auxiliary_head=[bank_cfg(bank_features='student')])
    model['data_preprocessor'] = {**model['data_preprocessor'], 'type': 'SegDataPreProcessor'}
    cfg = runner_cfg(tmp_path, model, max_iters=4, hooks=[{'type': 'MemoryBankHook'}])
    cfg['train_dataloader']['dataset']['branches'] = False
    run = Runner.from_cfg(cfg)
    run.train()
    assert int(run.model.auxiliary_head[0].bank.updates) == 2
    assert run.model.auxiliary_head[0].bank.rows.any()


def test_a_model_without_a_bank_trains_with_a_warning(tmp_path):
    # as in an ablation without the contrast
    run = runner(tmp_path, max_iters=2)
    messages = []
    run.logger.warning = lambda text, *_: messages.append(text)
    run.train()
    assert sum('finds no memory bank' in m for m in messages) == 1


def test_bank_is_in_the_checkpoint(tmp_path):
    run = runner(tmp_path, bank_cfg(), max_iters=4)
    run.train()
    run.save_checkpoint(str(tmp_path), 'end.pth')
    state = torch.load(tmp_path / 'end.pth', weights_only=False)['state_dict']
    assert torch.equal(state['auxiliary_head.0.bank.rows'], run.model.auxiliary_head[0].bank.rows)
    assert not any('teacher' in key and '.bank.' in key for key in state)
