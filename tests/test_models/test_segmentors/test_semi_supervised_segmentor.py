import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    CHANNELS,
    bank_contrast_cfg,
    build,
    contrast_cfg,
    data_sample,
    head_cfg,
    memory_bank_cfg,
    plain_cfg,
    prepared,
    random_batch,
    random_image,
    runner_cfg,
    semi_cfg,
    separate_teacher,
    set_iter,
    total_loss,
    without_gradient,
)
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_state_dict
from mmseg.registry import MODELS
from torch import nn

from mmseg_contrast.models.segmentors.loss_log import LossLog
from mmseg_contrast.models.segmentors.semi_supervised_segmentor import _coverage
from mmseg_contrast.models.selectors import Selector
from mmseg_contrast.models.selectors.top_class import top_class
from mmseg_contrast.problem import SetupError
from mmseg_contrast.structures import PixelTargets
from mmseg_contrast.structures.pixel_targets import nearest

BARE = {'selector': None, 'mixing': None, 'unsup_loss': None, 'auxiliary_head': None}


def upsampled(branch, head, images):
    logits = head(branch.extract_feat(images))
    return F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=False)


def labels_of(samples):
    return torch.cat([sample.gt_sem_seg.data for sample in samples])


def eq5(anchors, keys, labels, temperature):
    """Eq. 5 over all labelled rows, by loops."""
    used = [i for i in range(len(labels)) if labels[i] != 255]
    terms = []
    for i in used:
        similar = [j for j in used if labels[j] == labels[i] and j != i]
        negatives = [j for j in used if labels[j] != labels[i]]
        if similar:
            positive = (keys[similar] @ anchors[i] / temperature).exp()
            total = positive + (keys[negatives] @ anchors[i] / temperature).exp().sum()
            terms.append(-(positive / total).log().mean())
    return torch.stack(terms).mean()


@pytest.mark.parametrize('as_list', [False, True])
def test_projector_is_initialised_as_published(as_list):
    head = contrast_cfg(projector={'type': 'ConvProjector'}, channels=64)
    model = build(semi_cfg(auxiliary_head=[head] if as_list else head))
    contrast = model.auxiliary_head[0] if as_list else model.auxiliary_head
    assert contrast.projector.layers[2].weight.std().item() == pytest.approx(0.01, rel=0.1)


# ------------------------------------------------------------------ one step, by hand


def test_losses_equal_a_step_by_hand():
    cfg = semi_cfg(
        selector=None,
        mixing=None,
        unsup_loss={'type': 'ConsistencyLoss', 'loss_weight': 2.63, 'ramp': {'length': 10}},
        auxiliary_head=[
            head_cfg(in_index=0, loss_decode={'type': 'PixelCrossEntropyLoss', 'loss_weight': 0.4}),
            contrast_cfg(samples_per_class=64),
        ],
    )
    model = build(cfg)
    separate_teacher(model)
    set_iter(4)
    images, samples = prepared(model, random_batch(2, 1))
    reference = copy.deepcopy(model)
    losses = model.loss(images, samples)

    student, teacher = reference, reference.teacher
    truth = labels_of(samples['sup'])
    valid = labels_of(samples['weak']) != 255
    joined = torch.cat([images['sup'], images['strong']])
    logits = upsampled(student, student.decode_head, joined)
    low = upsampled(student, student.auxiliary_head[0], joined)
    with torch.no_grad():
        probs = upsampled(teacher, teacher.decode_head, images['weak']).softmax(1)
        key_features = teacher.auxiliary_head[1](teacher.extract_feat(images['weak']))
    soft = -(probs * logits[2:].log_softmax(1)).sum(1)
    expected = {
        'sup.decode.loss_ce': F.cross_entropy(logits[:2], truth, ignore_index=255),
        'sup.aux_0.loss_ce': 0.4 * F.cross_entropy(low[:2], truth, ignore_index=255),
        'unsup.loss_consistency': 2.63 * math.exp(-5 * 0.6**2) * soft[valid].mean(),
    }
    embedding = F.normalize(student.auxiliary_head[1](student.extract_feat(joined)), dim=1)
    keys = torch.cat([embedding[:2].detach(), F.normalize(key_features, dim=1)])
    pseudo = probs.argmax(1).masked_fill(~valid, 255)
    classes = nearest(torch.cat([truth, pseudo]), (8, 8)).flatten().tolist()
    rows = [x.movedim(1, -1).flatten(0, 2) for x in (embedding, keys)]
    expected['contrast.loss_contrast'] = 0.1 * eq5(*rows, classes, 0.15)

    assert set(losses) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=2e-4, atol=1e-6, msg=name)

    total_loss(model, losses).backward()
    sum(expected.values()).backward()
    for (name, param), other in zip(model.named_parameters(), reference.parameters()):
        if param.requires_grad:
            torch.testing.assert_close(param.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize('teacher_view', ['weak', 'strong'])
@pytest.mark.parametrize('student_view', ['weak', 'strong'])
def test_each_branch_sees_the_view_it_is_given(teacher_view, student_view):
    cfg = semi_cfg(
        selector=None, mixing=None, unsup_loss={'type': 'ConsistencyLoss'}, auxiliary_head=None
    )
    cfg['semi_train_cfg'] = {'teacher_view': teacher_view}
    cfg['views'] = [{'branch': student_view}]
    model = build(cfg)
    separate_teacher(model)
    images, samples = prepared(model, random_batch(2, 1))
    reference = copy.deepcopy(model)
    losses = model.loss(images, samples)

    joined = torch.cat([images['sup'], images[student_view]])
    logits = upsampled(reference, reference.decode_head, joined)[2:]
    with torch.no_grad():
        teacher = reference.teacher
        probs = upsampled(teacher, teacher.decode_head, images[teacher_view]).softmax(1)
    valid = labels_of(samples[teacher_view]) != 255
    expected = -(probs * logits.log_softmax(1)).sum(1)[valid].mean()
    torch.testing.assert_close(losses['unsup.loss_consistency'], expected, rtol=2e-4, atol=1e-6)


def test_selected_pixels_alone_count():
    cfg = semi_cfg(
        selector={'type': 'ThresholdMask', 'threshold': 0.4},
        mixing=None,
        unsup_loss={'type': 'ConsistencyLoss'},
        auxiliary_head=None,
    )
    model = build(cfg)
    separate_teacher(model)
    images, samples = prepared(model, random_batch(1, 2))
    with torch.no_grad():
        probs = upsampled(model.teacher, model.teacher.decode_head, images['weak']).softmax(1)
        logits = upsampled(model, model.decode_head, torch.cat([images['sup'], images['strong']]))
    valid = labels_of(samples['weak']) != 255
    kept = (probs.amax(1) >= 0.4) & valid
    assert 0 < int(kept.sum()) < int(valid.sum())
    losses = model.loss(images, samples)
    expected = -(probs * logits[1:].log_softmax(1)).sum(1)[kept].mean()
    torch.testing.assert_close(losses['unsup.loss_consistency'], expected, rtol=1e-4, atol=1e-6)
    stats = model.running_stats.pop()
    assert stats['unsup.coverage'] == pytest.approx(float(kept.sum() / valid.sum()))
    predicted = probs.argmax(1)
    for c in range(3):
        seen = (predicted == c) & valid
        share, coverage = float(seen.sum() / valid.sum()), float((kept & seen).sum() / seen.sum())
        assert stats['unsup.share_per_class'][c] == pytest.approx(share)
        assert stats['unsup.coverage_per_class'][c] == pytest.approx(coverage)
    masks = labels_of(samples['sup'])
    known = [float((masks == c).sum() / (masks != 255).sum()) for c in range(3)]
    assert stats['sup.share_per_class'] == pytest.approx(known)

    model.unsup_loss[0].needs_probs = False
    hard = F.cross_entropy(logits[1:], predicted, reduction='none')[kept].mean()
    losses = model.loss(images, samples)
    torch.testing.assert_close(losses['unsup.loss_consistency'], hard, rtol=1e-4, atol=1e-6)


class Watcher(Selector):
    """Trusts every valid pixel, and keeps what it is given."""

    def forward(self, probs, top, valid):
        self.seen = probs, top
        return valid.float(), {}


def test_the_selector_sees_the_classes_that_become_labels():
    model = build(semi_cfg(auxiliary_head=None))
    model.selector = Watcher()
    images, samples = prepared(model, random_batch(1, 2))
    _, targets, _ = model.get_pseudo_labels(images['weak'], samples['weak'])
    probs, top = model.selector.seen
    for found, expected in zip(top, top_class(probs)):
        assert torch.equal(found, expected)
    valid = labels_of(samples['weak']) != 255
    assert torch.equal(targets.labels, top.labels.where(valid, 255))


@pytest.mark.parametrize('burn_in', [0, 5])
@pytest.mark.parametrize('hard', [[True], [True, False], []])
def test_probabilities_go_through_a_step_only_where_a_loss_reads_them(hard, burn_in):
    losses = [{'type': 'ConsistencyLoss', 'hard': each} for each in hard]
    model = build(semi_cfg(unsup_loss=losses, semi_train_cfg={'burn_in': burn_in}))
    images, samples = prepared(model, random_batch(1, 2))
    log = LossLog(model.running_stats)
    labeled = model._read_labeled(images, samples)
    pseudo = model._pseudo_label(images, samples, log)
    (mixed,) = model._mix(labeled, pseudo, images)
    for targets in (pseudo.targets, mixed.pseudo):
        assert (targets.probs is not None) == (False in hard)


def test_without_labeled_images_there_are_no_shares_to_compare_with():
    model = build(semi_cfg(auxiliary_head=None))
    images, samples = prepared(model, random_batch(2, 2))
    model.loss({k: v for k, v in images.items() if k != 'sup'}, samples)
    stats = model.running_stats.pop()
    assert 'unsup.share_per_class' in stats and 'sup.share_per_class' not in stats


def test_mixing_does_not_change_which_pixels_meet_which_targets():
    # A pointwise network commutes with CutMix: all losses are those without mixing.
    @MODELS.register_module(force=True)
    class PointwiseBackbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, CHANNELS, 1)

        def forward(self, x):
            return (self.conv(x),)

    common = {
        'backbone': {'type': 'PointwiseBackbone'},
        'decode_head': head_cfg(bn=False, in_index=0, kernel_size=1),
        'auxiliary_head': [
            head_cfg(bn=False, in_index=0, kernel_size=1),
            contrast_cfg(in_index=0, samples_per_class=256),
        ],
        'selector': None,
        'size': (16, 16),
    }
    values = []
    model = build(semi_cfg(**common))
    with torch.no_grad():
        for param in model.parameters():
            # Confident outputs: near the start each pixel has almost the same loss.
            param.copy_(torch.randn_like(param))
    images, samples = prepared(model, random_batch(2, 2, size=(16, 16)))
    for mixing in (model.mixing, None):
        model.mixing = mixing
        losses = model.loss(images, samples)
        values.append({name: float(value.detach()) for name, value in losses.items()})
    assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_images_are_mixed_across_the_sets():
    model = build(semi_cfg())
    images, samples = prepared(model, random_batch(2, 2))
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.loss(images, samples)
    assert len(seen) == 1, 'one student forward'
    originals = torch.cat([images['sup'], images['strong']])
    assert seen[0].shape == originals.shape and not torch.equal(seen[0], originals)
    torch.testing.assert_close(seen[0].sum(0), originals.sum(0), rtol=1e-4, atol=1e-4)


def test_a_plain_batch_trains_as_in_mmseg():
    heads = [head_cfg(in_index=0), contrast_cfg(num_classes=3, samples_per_class=64)]
    semi = build(semi_cfg(auxiliary_head=heads))
    plain = build(plain_cfg(auxiliary_head=heads))
    plain.load_state_dict({k: v for k, v in semi.state_dict().items() if k in plain.state_dict()})
    images, samples = prepared(plain, random_batch(2, 0))
    losses = semi.loss(images['sup'], copy.deepcopy(samples['sup']))
    expected = plain.loss(images['sup'], samples['sup'])
    assert set(losses) == set(expected) >= {'decode.loss_ce', 'aux_0.loss_ce'}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, msg=name)


def test_labels_alone_give_the_supervised_losses_of_mmseg():
    semi = build(semi_cfg(auxiliary_head=[head_cfg(in_index=0)]))
    plain = build(plain_cfg(auxiliary_head=[head_cfg(in_index=0)]))
    plain.load_state_dict({k: v for k, v in semi.state_dict().items() if k in plain.state_dict()})
    images, samples = prepared(semi, random_batch(2, 0))
    expected = plain.loss(images['sup'], copy.deepcopy(samples['sup']))
    losses = semi.loss(images, samples)
    assert set(losses) == {'sup.decode.loss_ce', 'sup.aux_0.loss_ce'}
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name.removeprefix('sup.')])


# ------------------------------------------------------------------ burn-in


def test_burn_in_ignores_the_unlabeled_images():
    model = build(semi_cfg(semi_train_cfg={'burn_in': 5}))
    images, samples = prepared(model, random_batch(2, 2))
    model.teacher.forward = model.teacher.extract_feat = None  # must not be called
    labeled_only = {'sup': images['sup']}, {'sup': samples['sup']}
    results = []
    for step in (labeled_only, (images, samples)):
        set_iter(4)
        torch.manual_seed(1)
        results.append(model.loss(*step))
    assert set(results[0]) == set(results[1])
    assert not any(name.startswith('unsup') for name in results[0])
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, msg=name)
    thresholds = model.selector.thresholds.clone()
    del model.teacher.forward, model.teacher.extract_feat
    set_iter(5)
    assert 'unsup.loss_consistency' in model.loss(images, samples)
    assert not torch.equal(thresholds, model.selector.thresholds)


# ------------------------------------------------------------------ unusual batches


@pytest.mark.parametrize('num_classes', [2, 3])
@pytest.mark.parametrize('burn_in', [0, 10])
@pytest.mark.parametrize(
    ('num_labeled', 'num_unlabeled', 'size', 'ignored', 'seen'),
    [
        pytest.param(2, 2, (32, 32), 0.1, None, id='usual'),
        pytest.param(2, 0, (32, 32), 0.1, None, id='labelled only'),
        pytest.param(0, 2, (32, 32), 0.1, None, id='unlabelled only'),
        pytest.param(1, 3, (32, 32), 0.1, None, id='unequal'),
        pytest.param(2, 2, (32, 32), 1.0, None, id='all ignored'),
        pytest.param(0, 2, (32, 32), 1.0, None, id='unlabelled only and all ignored'),
        pytest.param(2, 2, (33, 47), 0.1, None, id='odd size'),
        pytest.param(2, 2, (32, 32), 0.1, 1, id='one class'),
        pytest.param(2, 2, (32, 32), 0.1, 2, id='absent class'),
    ],
)
def test_any_batch_gives_finite_losses_and_all_gradients(
    num_classes, burn_in, num_labeled, num_unlabeled, size, ignored, seen
):
    cfg = semi_cfg(num_classes, size, semi_train_cfg={'burn_in': burn_in})
    model = build(cfg)
    batch = random_batch(num_labeled, num_unlabeled, size, seen or num_classes, ignored)
    losses = model.loss(*prepared(model, batch))
    loss = total_loss(model, losses)
    loss.backward()
    assert torch.isfinite(loss)
    assert without_gradient(model) == [], 'DistributedDataParallel would wait for ever'
    for name, param in model.named_parameters():
        assert param.grad is None or torch.isfinite(param.grad).all(), name
    if ignored == 1.0:
        assert loss.item() == 0
    else:
        # The burn-in has nothing to learn from unlabelled images.
        assert (loss.item() > 0) == (num_labeled > 0 or burn_in == 0)
    model.running_stats.pop()


@pytest.mark.parametrize('part', ['selector', 'mixing', 'unsup_loss', 'auxiliary_head'])
def test_each_slot_may_be_empty(part):
    model = build(semi_cfg(**{part: None}))
    losses = model.loss(*prepared(model, random_batch()))
    total_loss(model, losses).backward()
    assert without_gradient(model) == []
    groups = {name.split('.')[0] for name in losses}
    missing = {'unsup_loss': {'unsup'}, 'auxiliary_head': {'contrast'}}.get(part, set())
    assert groups == {'sup', 'unsup', 'contrast'} - missing


def test_several_contrast_heads_are_told_apart():
    heads = [contrast_cfg(), head_cfg(in_index=0), contrast_cfg(in_index=0)]
    model = build(semi_cfg(auxiliary_head=heads))
    losses = model.loss(*prepared(model, random_batch()))
    assert {'contrast.aux_0.loss_contrast', 'contrast.aux_2.loss_contrast'} < set(losses)
    assert 'sup.aux_1.loss_ce' in losses
    assert {'contrast.aux_0.raw', 'contrast.aux_2.anchors'} < set(model.running_stats.pop())
    single = build(semi_cfg(auxiliary_head=contrast_cfg()))
    assert 'contrast.loss_contrast' in single.loss(*prepared(single, random_batch()))


def test_teacher_sees_labeled_images_only_where_a_head_asks():
    for keys, calls in (('student', 1), ('teacher', 2)):
        model = build(semi_cfg(auxiliary_head=[contrast_cfg(labeled_keys=keys)]))
        seen = []
        model.teacher.backbone.register_forward_pre_hook(lambda _, args, s=seen: s.append(args[0]))
        images, samples = prepared(model, random_batch())
        model.loss(images, samples)
        assert len(seen) == calls
        assert torch.equal(seen[0], images['weak'])
        assert calls == 1 or torch.equal(seen[1], images['sup'])


# ------------------------------------------------------------------ teacher


def test_teacher_stays_in_eval_mode_without_gradients():
    model = MODELS.build(semi_cfg())
    assert not any(m.training for m in model.teacher.modules()), 'from the start'
    model.init_weights()
    for mode in (True, False):
        model.train(mode)
        assert model.backbone.training is mode
        assert not any(m.training for m in model.teacher.modules())
    model.train()
    before = {k: v.clone() for k, v in model.teacher.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), 0.1, weight_decay=0.5)
    total_loss(model, model.loss(*prepared(model, random_batch()))).backward()
    optimizer.step()
    assert all(p.grad is None and not p.requires_grad for p in model.teacher.parameters())
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any('teacher' in name for name in without_gradient(model))


def test_thresholds_are_updated_once_a_step():
    model = build(semi_cfg(selector={'type': 'DynamicConfidentRegionSelection', 'momentum': 0.5}))
    images, samples = prepared(model, random_batch())
    model.loss(images, samples)
    with torch.no_grad():
        probs = upsampled(model.teacher, model.teacher.decode_head, images['weak']).softmax(1)
    confidence, labels = probs.max(1)
    valid = labels_of(samples['weak']) != 255
    for c in range(3):
        ranked = confidence[(labels == c) & valid].sort(descending=True).values
        expected = 0.9
        if len(ranked):
            expected = 0.45 + 0.5 * ranked[min(int(len(ranked) * 0.8), len(ranked) - 1)].item()
        assert model.selector.thresholds[c].item() == pytest.approx(expected, abs=1e-3)


def test_one_key_moves_the_burn_in_and_the_ramps():
    ramp = {'start': 'burn_in', 'length': 10}
    cfg = semi_cfg(
        unsup_loss=[
            {'type': 'ConsistencyLoss', 'ramp': ramp},
            {'type': 'EntropyLoss', 'ramp': ramp},
        ],
        auxiliary_head=[contrast_cfg(ramp=ramp), contrast_cfg(ramp={'start': 2, 'length': 10})],
    )
    for burn_in in (0, 20):
        model = build({**cfg, 'semi_train_cfg': {'burn_in': burn_in}})
        parts = [*model.unsup_loss, *model.auxiliary_head, *model.teacher.auxiliary_head]
        assert [part.ramp.start for part in parts] == [burn_in] * 3 + [2] + [burn_in, 2]


def test_coverage_of_an_interval_is_what_was_kept_of_what_was_seen():
    # Class 0 fills the first step, a quarter of which is kept, and is absent from the other two.
    model = build(semi_cfg(num_classes=2, size=(4, 4), auxiliary_head=None))
    steps = [([0] * 16, 4), ([1] * 16, 16), ([1] * 16, 8)]
    for labels, kept in steps:
        weight = (torch.arange(16) < kept).float().view(1, 4, 4)
        targets = PixelTargets(torch.tensor(labels).view(1, 4, 4), weight)
        model.running_stats.add(_coverage(targets, 2))
    stats = model.running_stats.pop()
    assert stats['coverage_per_class'] == pytest.approx([4 / 16, 24 / 32])
    assert stats['coverage'] == pytest.approx(28 / 48)
    assert stats['share_per_class'] == pytest.approx([1 / 3, 2 / 3])


def test_autocast_makes_no_ties_among_the_pixels():
    # Logits of a grid of 4x4 in bfloat16, whose steps are 1/16: as pixels they differ, in float32.
    model = build(semi_cfg(size=(64, 64)))
    low = 8 + 8 * torch.rand(2, 3, 4, 4)
    model.teacher.decode_head.forward = lambda stages: low.bfloat16()
    images, samples = prepared(model, random_batch(2, 2, size=(64, 64)))
    with torch.autocast('cpu', torch.bfloat16):
        _, targets, _ = model.get_pseudo_labels(images['weak'], samples['weak'])
    logits = F.interpolate(low.bfloat16().float(), (64, 64), mode='bilinear')
    torch.testing.assert_close(targets.probs, logits.softmax(1), rtol=1e-5, atol=0)
    assert len(logits[:, 0].unique()) > 4000, 'they would be 256 at most'


# ------------------------------------------------------------------ checkpoints


def test_keys_contain_those_of_the_plain_model():
    heads = [head_cfg(in_index=0)]
    semi, plain = (
        set(build(cfg(auxiliary_head=heads)).state_dict()) for cfg in (semi_cfg, plain_cfg)
    )
    assert semi == plain | {f'teacher.{k}' for k in plain} | {'ema_steps', 'selector.doubts'}


def test_a_plain_checkpoint_fills_both_branches():
    plain = build(plain_cfg())
    plain.backbone.stage1[1].running_mean.fill_(3)
    model = build(semi_cfg(auxiliary_head=None))
    load_state_dict(model, plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
        assert torch.equal(model.state_dict()[f'teacher.{name}'], value)
    assert not model.teacher_loaded


def test_a_semi_supervised_checkpoint_keeps_its_teacher():
    source, model = build(semi_cfg()), build(semi_cfg())
    separate_teacher(source)
    source.ema_steps.fill_(17)
    source.selector.doubts.fill_(0.25)
    load_state_dict(model, copy.deepcopy(source.state_dict()), strict=True)
    assert model.teacher_loaded
    assert int(model.ema_steps) == 17
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    weight = 'decode_head.conv_seg.weight'
    assert not torch.equal(model.state_dict()[weight], model.state_dict()[f'teacher.{weight}'])


def test_its_checkpoint_loads_into_a_plain_model():
    model, plain = build(semi_cfg()), build(plain_cfg())
    missing = plain.load_state_dict(model.state_dict(), strict=False).missing_keys
    assert missing == []
    assert torch.equal(plain.decode_head.conv_seg.weight, model.decode_head.conv_seg.weight)


@pytest.mark.parametrize('in_index', [1, 'decode'])
def test_copies_and_pickles_are_independent(in_index):
    cfg = semi_cfg(mixing=None, auxiliary_head=[contrast_cfg(in_index=in_index)])
    model = build(cfg)
    images, samples = prepared(model, random_batch())
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    results = []
    for each in (model, *copies):
        torch.manual_seed(2)
        results.append({k: v.item() for k, v in each.loss(images, samples).items()})
    assert results[1] == results[0] == results[2]


# ------------------------------------------------------------------ testing


@pytest.mark.parametrize('mode', ['predict', 'tensor'])
def test_predict_on_chooses_the_branch(mode):
    model = build(semi_cfg(), train=False)
    separate_teacher(model)
    image = random_image((32, 32))
    batch = {'inputs': [image], 'data_samples': [data_sample(torch.zeros(32, 32))]}
    data = model.data_preprocessor(batch, training=False)

    def output():
        result = model(**copy.deepcopy(data), mode=mode)
        return result if mode == 'tensor' else result[0].seg_logits.data[None]

    for branch, owner in (('student', model), ('teacher', model.teacher)):
        expected = owner.decode_head(owner.extract_feat(data['inputs']))
        if mode == 'predict':
            expected = F.interpolate(expected, (32, 32), mode='bilinear', align_corners=False)
        model.predict_on = branch
        torch.testing.assert_close(output(), expected)
        model.predict_on = 'teacher' if branch == 'student' else 'student'
        with model.predict_with(branch):
            torch.testing.assert_close(output(), expected)
        assert model.predict_on != branch
    assert build(semi_cfg()).predict_on == 'student'
    assert build(semi_cfg(semi_test_cfg={'predict_on': 'teacher'})).predict_on == 'teacher'


def test_predict_with_an_unknown_branch_is_refused():
    model = build(semi_cfg(), train=False)
    message = "predict_with: branch='ema' is unknown: use one of .*'student', 'teacher'"
    with pytest.raises(ValueError, match=message), model.predict_with('ema'):
        pass
    assert model.predict_on == 'student'


# ------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'semi_train_cfg': {'burn_in': -3}}, 'burn_in=-3'),
        ({'semi_train_cfg': {'burnin': 3}}, 'semi_train_cfg.burnin'),
        ({'semi_train_cfg': {'hard_labels': True}}, 'semi_train_cfg.hard_labels is unknown'),
        ({'views': []}, 'views is empty'),
        ({'views': [{'branch': 'weak'}, {'branch': 'weak'}]}, "names the branch 'weak' twice"),
        (
            {'views': [{'branch': 'weak'}, {'branch': 'strong'}], 'unsup_loss': None},
            r"views names \['weak', 'strong'\], but without unsup_loss",
        ),
        (
            {'mixing': {'type': 'AugmentedViews'}, 'auxiliary_head': None},
            'AugmentedViews moves hard labels alone, and ConsistencyLoss has soft ones: set hard=True',
        ),
        (
            {'views': [{'branch': 'strong', 'perturbation': {'type': 'ComplementaryDropout'}}]},
            r'ComplementaryDropout perturbs 2 views together, but 1 of views has it \(strong\)',
        ),
        ({'semi_test_cfg': {'predict_on': 'ema'}}, "predict_on='ema'"),
        ({'semi_test_cfg': {'predict': 'teacher'}}, 'semi_test_cfg.predict'),
        ({'selector': {'type': 'NoSelector'}}, "selector.type='NoSelector'"),
        (
            {'selector': {'type': 'DynamicConfidentRegionSelection', 'num_classes': 7}},
            'selector.num_classes=7',
        ),
        ({'auxiliary_head': [contrast_cfg(num_classes=9)]}, 'aux_0.num_classes=9'),
        (
            {'decode_head': head_cfg(2, out_channels=1, threshold=0.5)},
            'decode_head.out_channels=1 with num_classes=2',
        ),
    ],
)
def test_bad_configs_name_the_value(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(semi_cfg(**kwargs))


def test_a_head_without_one_map_of_logits_is_refused():
    @MODELS.register_module(force=True)
    class ListHead(MODELS.get('FCNHead')):
        def forward(self, inputs):
            return [super().forward(inputs)] * 2

    model = build(semi_cfg(decode_head=head_cfg(type='ListHead'), auxiliary_head=None))
    with pytest.raises(SetupError, match='ListHead returns list'):
        model.loss(*prepared(model, random_batch()))


def test_class_counts_follow_the_decode_head():
    cfg = semi_cfg(num_classes=5)
    untouched = copy.deepcopy(cfg)
    model = MODELS.build(ConfigDict(cfg))
    assert len(model.selector.thresholds) == 5
    assert model.auxiliary_head[1].num_classes == 5
    assert model.teacher.auxiliary_head[1].num_classes == 5
    assert cfg == untouched, 'the config is not changed'


def test_settings_may_be_passed_to_the_teacher_too():
    model = build(semi_cfg(test_cfg={'mode': 'slide', 'crop_size': (16, 16), 'stride': (8, 8)}))
    assert model.teacher.test_cfg == model.test_cfg


# ------------------------------------------------------------------ compile and autocast


def test_compiled_student_has_equal_losses():
    torch._dynamo.reset()
    cfg = semi_cfg(mixing=None, auxiliary_head=[contrast_cfg(samples_per_class=64)])
    model = build(cfg)
    images, samples = prepared(model, random_batch())
    expected = copy.deepcopy(model).loss(images, samples)
    keys = set(model.state_dict())
    # In place, so that no key of a checkpoint changes.
    model.backbone.compile(backend='aot_eager')
    model.decode_head.compile(backend='aot_eager')
    assert set(model.state_dict()) == keys
    losses = model.loss(images, samples)
    assert set(losses) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-4, atol=1e-5, msg=name)
    total_loss(model, losses).backward()
    assert without_gradient(model) == []


def test_bfloat16_autocast_is_finite_and_close():
    cfg = semi_cfg(selector=None, mixing=None, auxiliary_head=[contrast_cfg(samples_per_class=64)])
    model = build(cfg)
    images, samples = prepared(model, random_batch())
    expected = copy.deepcopy(model).loss(images, samples)
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(images, samples)
    for name, value in expected.items():
        assert losses[name].dtype == torch.float32
        assert losses[name].item() == pytest.approx(value.item(), rel=0.1), name
    total_loss(model, losses).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


def test_targets_of_samples_are_those_of_the_step():
    _, samples = prepared(build(semi_cfg()), random_batch(2, 0))
    assert torch.equal(PixelTargets.from_samples(samples['sup']).labels, labels_of(samples['sup']))


@pytest.mark.parametrize('ignore_index', [0, 1, 254])
@pytest.mark.parametrize('make', [semi_cfg, memory_bank_cfg])
def test_another_ignore_index_of_the_masks_changes_nothing_else(make, ignore_index):
    def step(ignore, change):
        cfg = make(size=(40, 48))
        cfg['decode_head']['ignore_index'] = ignore
        cfg['data_preprocessor']['seg_pad_val'] = ignore
        torch.manual_seed(7)
        model = build(cfg)
        separate_teacher(model)
        batch = random_batch(2, 2)
        for sample in batch['data_samples']['sup']:
            if sample is not None:
                sample.gt_sem_seg.data = change(sample.gt_sem_seg.data)
        images, samples = prepared(model, batch)
        losses = model.loss(images, samples)
        return losses, model.running_stats.pop()

    own = step(ignore_index, lambda label: label.masked_fill(label == 255, ignore_index))
    usual = step(255, lambda label: label.masked_fill(label == ignore_index, 255))
    assert own[1]['unsup.coverage'] > 0.3
    for one, other in zip(own, usual):
        assert set(one) == set(other)
        for name, value in one.items():
            torch.testing.assert_close(value, other[name], equal_nan=True, msg=name)


def test_heads_with_different_ignore_indices_are_refused():
    cfg = semi_cfg()
    cfg['decode_head']['ignore_index'] = 0
    build(copy.deepcopy(cfg))
    cfg['auxiliary_head'][0]['ignore_index'] = 255
    with pytest.raises(
        ValueError, match=r'aux_0\.ignore_index=255 but decode_head\.ignore_index=0'
    ):
        build(cfg)


# ------------------------------------------------------------------ in a Runner


def train(tmp_path, hooks=({'type': 'MeanTeacherHook'},), **model):
    cfg = runner_cfg(tmp_path, semi_cfg(size=(16, 16), **model), max_iters=4, hooks=hooks)
    cfg['experiment_name'] = tmp_path.name
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('hooks', [(), ({'type': 'EarlyStoppingHook', 'monitor': 'mIoU'},)])
@pytest.mark.parametrize('burn_in', [0, 3])
def test_a_teacher_that_no_hook_moves_is_refused_in_the_first_step(tmp_path, hooks, burn_in):
    said = (
        r'custom_hooks has no MeanTeacherHook, so that the teacher never moves.* \*_base_\.custom'
    )
    with pytest.raises(ValueError, match=said):
        train(tmp_path, hooks, semi_train_cfg={'burn_in': burn_in})
    assert not list(tmp_path.glob('*.pth'))


CSC = {
    'type': 'CSCContrastHead',
    'in_channels': CHANNELS,
    'channels': 5,
    'in_index': 'decode',
    'bank': {'type': 'ConsistencySeparationModule', 'size': 8},
}


@pytest.mark.parametrize('head', [bank_contrast_cfg(bank_start=3), CSC])
def test_a_bank_that_no_hook_writes_is_refused_in_the_first_step(tmp_path, head):
    said = 'custom_hooks has no MemoryBankHook, so that nothing writes the memory bank'
    with pytest.raises(ValueError, match=said):
        train(tmp_path, auxiliary_head=[head])


@pytest.mark.parametrize('burn_in', [4, 5, 2250])
def test_a_burn_in_as_long_as_the_training_is_refused(tmp_path, burn_in):
    said = rf'burn_in={burn_in} lasts for all of the 4 iterations, so that no unlabelled image is'
    with pytest.raises(ValueError, match=said):
        train(tmp_path, semi_train_cfg={'burn_in': burn_in})


@pytest.mark.parametrize(('burn_in', 'averaged'), [(3, 1), (0.75, 1), (0.5, 2), (0.25, 3), (0, 4)])
def test_a_burn_in_may_be_a_share_of_the_training(tmp_path, burn_in, averaged):
    model = train(tmp_path, semi_train_cfg={'burn_in': burn_in}).model
    assert int(model.ema_steps) == averaged and model.burn_in == 4 - averaged


def test_unlabelled_images_that_teach_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match='neither unsup_loss nor a contrast head'):
        train(tmp_path, unsup_loss=None, auxiliary_head=None)
