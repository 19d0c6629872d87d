import pytest
import torch
import torch.nn.functional as F
from helpers import CHANNELS, plain_cfg, runner_cfg, semi_cfg
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_contrast.engine.hooks import ConsistencyProbeHook
from mmseg_contrast.problem import SetupError

SIZE = (16, 16)
PROBE = {'type': 'ConsistencyProbeHook', 'horizon': 2, 'interval': 4}
HEAD = {
    'type': 'CSCContrastHead',
    'in_channels': CHANNELS,
    'channels': 5,
    'in_index': 1,
    'projector': {'type': 'VisibleProjector'},
    'bank': {'type': 'ConsistencySeparationModule', 'size': 12},
}


@HOOKS.register_module(force=True)
class WeightsHook(Hook):
    """Keeps the model's weights after each iteration, and the images of the first."""

    priority = 'LOWEST'

    def before_train(self, runner):
        self.states, self.batch = {}, None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.batch = self.batch or data_batch
        state = runner.model.state_dict()
        self.states[runner.iter + 1] = {k: v.clone() for k, v in state.items()}


def train(tmp_path, model, hooks, max_iters=6, **kwargs):
    cfg = runner_cfg(tmp_path, model, max_iters, hooks=hooks, **kwargs)
    runner = Runner(**cfg)
    runner.train()
    return runner


def test_is_the_cosine_of_the_same_images_t_iterations_apart(tmp_path):
    model = semi_cfg(size=SIZE, auxiliary_head=[HEAD])
    hooks = [
        {'type': 'MeanTeacherHook'},
        {'type': 'MemoryBankHook'},
        PROBE,
        {'type': 'WeightsHook'},
    ]
    runner = train(tmp_path, model, hooks)
    history = runner.message_hub.get_scalar('train/cons').data[0]
    (value,) = history
    weights = next(h for h in runner.hooks if isinstance(h, WeightsHook))
    probe = next(h for h in runner.hooks if isinstance(h, ConsistencyProbeHook))
    batch = runner.model.data_preprocessor(weights.batch, training=True)['inputs']
    assert [torch.equal(a, batch[n][:2]) for a, n in zip(probe.images, ('sup', 'strong'))] == [
        True
    ] * 2
    looks = []
    for iteration in (4, 6):
        runner.model.load_state_dict(weights.states[iteration])
        runner.model.eval()
        head = runner.model.auxiliary_head[0]
        with torch.no_grad():
            looks.append(
                torch.cat([head.projector(runner.model.extract_feat(x)[1]) for x in probe.images])
            )
    expected = F.cosine_similarity(*looks, dim=1).mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert 0 < float(value) < 1


def test_changes_nothing_of_the_training(tmp_path):
    ends = []
    for hooks in ([], [PROBE]):
        model = semi_cfg(size=SIZE, auxiliary_head=[HEAD])
        standard = [
            {'type': 'StepSeedHook'},
            {'type': 'MeanTeacherHook'},
            {'type': 'MemoryBankHook'},
        ]
        runner = train(tmp_path / str(len(hooks)), model, [*standard, *hooks])
        ends.append(runner.model.state_dict())
        assert runner.model.training
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name


def test_probes_labels_alone_in_a_plain_encoder_decoder(tmp_path):
    model = plain_cfg(size=SIZE, auxiliary_head=[{**HEAD, 'num_classes': 3}])
    dataset = {'type': 'TinySemiDataset', 'branches': False}
    cfg = runner_cfg(tmp_path, model, 6, hooks=[{'type': 'MemoryBankHook'}, PROBE])
    cfg['train_dataloader']['dataset'] = dataset
    runner = Runner(**cfg)
    runner.train()
    assert len(runner.message_hub.get_scalar('train/cons').data[0]) == 1


def test_a_model_without_contrast_head_is_refused(tmp_path):
    with pytest.raises(SetupError, match='no contrast head'):
        train(
            tmp_path, semi_cfg(size=SIZE, auxiliary_head=None), [{'type': 'MeanTeacherHook'}, PROBE]
        )


@pytest.mark.parametrize('kwargs', [{'horizon': 0}, {'horizon': 5, 'interval': 5}])
def test_arguments_out_of_range_are_named(kwargs):
    with pytest.raises(ValueError, match=f'horizon={kwargs["horizon"]}'):
        ConsistencyProbeHook(**kwargs)
