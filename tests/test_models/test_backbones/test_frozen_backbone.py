"""A frozen backbone stays as it is, costs no backward pass, and serves student and teacher."""

import copy
import pickle

import pytest
import torch
from helpers import (
    bank_contrast_cfg,
    build,
    contrast_cfg,
    head_cfg,
    plain_cfg,
    prepared,
    random_batch,
    runner_cfg,
    semi_cfg,
    separate_teacher,
    total_loss,
    without_gradient,
)
from mmengine.runner import Runner, load_state_dict
from mmseg.registry import MODELS
from torch import nn

from mmseg_contrast.engine.unwrap import unwrap
from mmseg_contrast.models.backbones import FrozenBackbone
from mmseg_contrast.tooling.extract import check_fit, extract, select_branch

FROZEN = {'type': 'FrozenBackbone', 'of': 'TinyBackbone'}
MOBILE = {'type': 'MobileNetV2', 'out_indices': (1, 2), 'widen_factor': 0.25}


def frozen_semi_cfg(**kwargs):
    return semi_cfg(backbone=FROZEN, **kwargs)


def backward(model, seed=3):
    images, samples = prepared(model, random_batch())
    torch.manual_seed(seed)
    total_loss(model, model.loss(images, samples)).backward()
    return model


# ------------------------------------------------------------------ the backbone alone


@pytest.mark.parametrize('of', [{'type': 'TinyBackbone'}, MOBILE], ids=['tiny', 'MobileNetV2'])
def test_it_is_the_backbone_in_eval_mode_without_a_graph(of):
    plain = MODELS.build(of)
    frozen = MODELS.build({**of, 'type': 'FrozenBackbone', 'of': of['type']})
    assert isinstance(frozen, type(plain)) and isinstance(frozen, FrozenBackbone)
    assert list(frozen.state_dict()) == list(plain.state_dict())
    for value in plain.state_dict().values():
        value.add_(torch.rand(value.shape).to(value.dtype))
    frozen.load_state_dict(plain.state_dict())
    frozen.train()
    plain.eval()
    images = torch.randn(2, 3, 32, 32)
    for own, expected in zip(frozen(images), plain(images)):
        assert torch.equal(own, expected)
        assert expected.requires_grad and not own.requires_grad
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    for name, value in plain.state_dict().items():
        assert torch.equal(frozen.state_dict()[name], value), name


def test_initial_weights_are_loaded_from_a_file(tmp_path):
    plain = build(plain_cfg()).backbone
    torch.save(plain.state_dict(), tmp_path / 'weights.pth')
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')}
    frozen = build(plain_cfg(backbone={**FROZEN, 'init_cfg': init_cfg})).backbone
    for name, value in plain.state_dict().items():
        assert torch.equal(frozen.state_dict()[name], value), name


def test_copies_and_pickles_are_frozen_backbones_of_their_own():
    frozen = MODELS.build(FROZEN)
    images = torch.randn(1, 3, 8, 8)
    for twin in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert type(twin) is type(frozen) and twin.of == 'TinyBackbone'
        assert all(torch.equal(a, b) for a, b in zip(frozen(images), twin(images)))
        twin.stage1[0].weight.add_(1)
        assert not torch.equal(twin.stage1[0].weight, frozen.stage1[0].weight)


def test_an_unknown_backbone_is_named():
    with pytest.raises(ValueError, match=r"FrozenBackbone\(of='MobileNetV9'\): no such backbone"):
        FrozenBackbone(of='MobileNetV9')


# ------------------------------------------------------------------ in segmentors


@pytest.mark.parametrize('cfg', [plain_cfg, semi_cfg], ids=['labels alone', 'semi-supervised'])
def test_heads_get_the_gradients_that_a_backbone_without_graph_gives(cfg):
    free, frozen = build(cfg()), build(cfg(backbone=FROZEN))
    if cfg is plain_cfg:
        samples = random_batch()
        images = torch.stack(samples['inputs']['sup'][:2]).float()
        samples = samples['data_samples']['sup'][:2]
        data = images, samples
    else:
        data = prepared(free, random_batch())
        free.teacher.backbone.load_state_dict(free.backbone.state_dict())
    frozen.load_state_dict(free.state_dict(), strict=False)
    # The weights of the other, in eval mode; its graph is there and only not wanted.
    free.backbone.eval()
    for model in (free, frozen):
        torch.manual_seed(3)
        total_loss(model, model.loss(*copy.deepcopy(data))).backward()
    expected = {n: p.grad for n, p in free.named_parameters() if not n.startswith('backbone')}
    gradients = {n: p.grad for n, p in frozen.named_parameters() if p.requires_grad}
    assert gradients and gradients.keys() == {n for n, g in expected.items() if g is not None}
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-7, msg=name)
    # DistributedDataParallel wants each trainable parameter used.
    assert without_gradient(frozen) == []
    assert all(parameter.grad is None for parameter in frozen.backbone.parameters())


def test_the_teacher_shares_it():
    free, frozen = build(semi_cfg()), build(frozen_semi_cfg())
    assert frozen.teacher.backbone is frozen.backbone
    surplus = {n for n in free.state_dict() if n.startswith('teacher.backbone.')}
    assert surplus and set(frozen.state_dict()) == set(free.state_dict()) - surplus
    assert not [n for n, _ in frozen.teacher.named_parameters() if n.startswith('backbone')]
    before = copy.deepcopy(frozen.backbone.state_dict())
    ema = frozen.teacher_ema()
    names = len(list(frozen.teacher.parameters())) + len(list(frozen.teacher.buffers()))
    assert sum(map(len, (ema.averaged[0], ema.copied[0]))) == names
    ema.update(0.5)
    for name, value in before.items():
        assert torch.equal(frozen.backbone.state_dict()[name], value), name
    # The teacher predicts with its own head.
    separate_teacher(frozen)
    images = torch.randn(1, 3, 32, 32)
    stages = frozen.backbone(images)
    frozen.eval()
    with frozen.predict_with('teacher'):
        assert torch.equal(frozen._forward(images), frozen.teacher.decode_head.forward(stages))
    assert not torch.equal(frozen._forward(images), frozen.teacher.decode_head.forward(stages))


@pytest.mark.parametrize('in_index', [1, 'decode'])
def test_copies_of_the_segmentor_share_their_own(in_index):
    model = build(frozen_semi_cfg(mixing=None, auxiliary_head=[contrast_cfg(in_index=in_index)]))
    data = prepared(model, random_batch())
    results = []
    for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert each.teacher.backbone is each.backbone
        torch.manual_seed(2)
        results.append({k: v.item() for k, v in each.loss(*data).items()})
    assert results[1] == results[0] == results[2]
    assert copy.deepcopy(model).backbone is not model.backbone


def test_a_teacher_that_follows_the_student_leaves_it_in_eval_mode():
    model = build(frozen_semi_cfg(semi_train_cfg={'teacher_norm': 'batch'}))
    assert model.teacher.decode_head.training and not model.teacher.backbone.training


def test_perturbed_views_have_one_forward_of_the_backbone(monkeypatch):
    views = [
        {'branch': branch, 'perturbation': {'type': 'ComplementaryDropout'}}
        for branch in ('weak', 'strong')
    ]
    model = build(frozen_semi_cfg(views=views, auxiliary_head=None))
    seen = []
    model.backbone.register_forward_hook(lambda *args: seen.append(len(args[1][0])))
    losses = model.loss(*prepared(model, random_batch()))
    # The teacher's of 2 weak images; the student's of 2 labelled images and 2 views of 2.
    assert seen == [2, 6]
    total_loss(model, losses).backward()
    assert {'unsup.weak.loss_consistency', 'unsup.strong.loss_consistency'} <= losses.keys()
    assert model.decode_head.conv_seg.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('of', ['TinyBackbone', 'MobileNetV2'])
@pytest.mark.parametrize('semi', [False, True], ids=['labels alone', 'semi-supervised'])
def test_training_moves_the_heads_alone(tmp_path, of, semi):
    if of == 'MobileNetV2':
        backbone = {**MOBILE, 'type': 'FrozenBackbone', 'of': of}
        head = head_cfg(in_channels=8)
        parts = {'backbone': backbone, 'decode_head': head, 'auxiliary_head': None}
    else:
        parts = {'backbone': FROZEN}
    cfg = semi_cfg(size=(16, 16), **parts) if semi else plain_cfg(size=(16, 16), **parts)
    hooks = [{'type': 'MeanTeacherHook', 'momentum': 0.5}] if semi else []
    settings = runner_cfg(tmp_path, cfg, max_iters=4, hooks=hooks)
    if not semi:
        settings['train_dataloader']['dataset']['branches'] = False
        settings['model']['data_preprocessor'] = {
            **cfg['data_preprocessor'],
            'type': 'SegDataPreProcessor',
        }
    runner = Runner.from_cfg(settings)
    model = unwrap(runner.model)
    model.init_weights()
    for norm in model.backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.fill_(0.25)
    before = copy.deepcopy(model.state_dict())
    runner.train()
    after = model.state_dict()
    for name, value in before.items():
        if name.startswith('backbone.'):
            assert torch.equal(after[name], value), name
    moved = ['decode_head.conv_seg.weight']
    moved += ['teacher.decode_head.conv_seg.weight'] if semi else []
    for name in moved:
        assert not torch.equal(after[name], before[name]), name


def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path):
    def train(folder, **kwargs):
        hooks = [{'type': 'MeanTeacherHook', 'momentum': 0.5}, {'type': 'StepSeedHook'}]
        cfg = runner_cfg(
            tmp_path / folder, frozen_semi_cfg(size=(16, 16)), 4, hooks=hooks, **kwargs
        )
        cfg['default_hooks']['checkpoint']['interval'] = 2
        runner = Runner.from_cfg(cfg)
        runner.train()
        return unwrap(runner.model).state_dict()

    whole = train('whole')
    half = torch.load(tmp_path / 'whole' / 'iter_2.pth', weights_only=False)['state_dict']
    resumed = train('resumed', resume=True, load_from=str(tmp_path / 'whole' / 'iter_2.pth'))
    weight = 'teacher.decode_head.conv_seg.weight'
    assert not torch.equal(half[weight], whole[weight])
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_a_bank_works_on_its_features():
    contrast = bank_contrast_cfg(bank={'type': 'ClassMemoryBank', 'size': 4})
    model = build(frozen_semi_cfg(auxiliary_head=[contrast], mixing=None))
    backward(model)
    assert without_gradient(model) == []


# ------------------------------------------------------------------ checkpoints


def test_a_plain_checkpoint_fills_both_heads():
    plain, model = build(plain_cfg()), build(frozen_semi_cfg(auxiliary_head=None))
    load_state_dict(model, plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
        if name.startswith('decode_head'):
            assert torch.equal(model.state_dict()[f'teacher.{name}'], value), name
    assert not model.teacher_loaded


def test_its_checkpoint_starts_a_run_that_tunes_the_backbone():
    source, model = build(frozen_semi_cfg()), build(semi_cfg())
    separate_teacher(source)
    load_state_dict(model, copy.deepcopy(source.state_dict()), strict=True)
    assert model.teacher_loaded
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    for name, value in source.backbone.state_dict().items():
        assert torch.equal(model.teacher.backbone.state_dict()[name], value), name


def test_its_checkpoint_keeps_its_teacher():
    source, model = build(frozen_semi_cfg()), build(frozen_semi_cfg())
    separate_teacher(source)
    load_state_dict(model, copy.deepcopy(source.state_dict()), strict=True)
    assert model.teacher_loaded
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.parametrize('branch', ['student', 'teacher'])
def test_both_branches_are_extracted_with_it(branch):
    from mmengine.config import Config

    cfg = frozen_semi_cfg()
    model = build(cfg)
    separate_teacher(model)
    checkpoint = {
        'state_dict': model.state_dict(),
        'meta': {'cfg': Config({'model': cfg}).pretty_text},
    }
    plain, config = extract(checkpoint, branch)
    assert config['model']['backbone'] == {'type': 'TinyBackbone'}
    assert check_fit(plain, config) == len(plain['state_dict'])
    net = MODELS.build(config['model']).eval()
    net.load_state_dict(plain['state_dict'])
    images = torch.randn(1, 3, 32, 32)
    model.eval()
    with model.predict_with(branch):
        assert torch.equal(net._forward(images), model._forward(images))


def test_a_checkpoint_without_a_teacher_has_none_to_extract():
    with pytest.raises(ValueError, match='holds no teacher'):
        select_branch(build(plain_cfg(backbone=FROZEN)).state_dict(), 'teacher')
