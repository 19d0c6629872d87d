import pytest
import torch
from helpers import (
    build,
    contrast_cfg,
    prepared,
    random_batch,
    semi_cfg,
    separate_teacher,
    total_loss,
    without_gradient,
)
from sync_counter import SyncCounter

from mmseg_contrast.models.losses import pixel_cross_entropy
from mmseg_contrast.models.segmentors.student_view import Perturbations, StudentView
from mmseg_contrast.structures import PixelTargets

FIXMATCH = {
    'selector': {'type': 'ThresholdMask', 'threshold': 0.34},
    'mixing': {'type': 'CrossSetCutMix', 'pairs': 'unlabeled'},
    'unsup_loss': {'type': 'ConsistencyLoss', 'hard': True, 'norm': 'all'},
    'auxiliary_head': None,
}
DROPOUT = {'type': 'ChannelDropout', 'prob': 0.5}
UNIMATCH = [
    {'branch': 'strong', 'weight': 0.25},
    {'branch': 'strong2', 'weight': 0.25},
    {'branch': 'weak', 'weight': 0.5, 'mix': False, 'perturbation': DROPOUT},
]
COMPLEMENTARY = {'type': 'ComplementaryDropout'}
UNIMATCH_V2 = [
    {'branch': branch, 'weight': 0.5, 'perturbation': COMPLEMENTARY}
    for branch in ('strong', 'strong2')
]


def batch_with_second_view():
    batch = random_batch()
    again = random_batch()
    batch['inputs']['strong2'] = again['inputs']['strong']
    batch['data_samples']['strong2'] = batch['data_samples']['strong']
    return batch


def test_losses_of_the_views_equal_a_step_by_hand():
    views = [
        {'branch': 'strong'},
        {'branch': 'strong2', 'weight': 3.0},
        {'branch': 'weak', 'weight': 0.5, 'mix': False},
    ]
    model = build(semi_cfg(**{**FIXMATCH, 'mixing': None}, views=views))
    separate_teacher(model)
    images, samples = prepared(model, batch_with_second_view())
    losses = model.loss(images, samples)

    def logits(branch, x):
        return torch.nn.functional.interpolate(
            branch.decode_head(branch.extract_feat(x)), x.shape[2:], mode='bilinear'
        )

    with torch.no_grad():
        confidence, labels = logits(model.teacher, images['weak']).softmax(1).max(1)
    valid = PixelTargets.from_samples(samples['weak']).labels != 255
    weight = (confidence >= 0.34) & valid
    # one forward, so that batch norm sees all of them
    names = ['sup', 'strong', 'strong2', 'weak']
    output = logits(model, torch.cat([images[name] for name in names]))
    for name, part, factor in zip(names[1:], output.split(2)[1:], (1.0, 3.0, 0.5)):
        raw = pixel_cross_entropy(part, labels, weight.float(), norm='all')
        got = losses[f'unsup.{name}.loss_consistency']
        torch.testing.assert_close(got, factor * raw, rtol=1e-4, atol=1e-6)
    truth = PixelTargets.from_samples(samples['sup']).labels
    expected = torch.nn.functional.cross_entropy(output[:2], truth, ignore_index=255)
    torch.testing.assert_close(losses['sup.decode.loss_ce'], expected, rtol=1e-4, atol=1e-6)


def test_one_forward_in_which_each_view_is_mixed_by_a_draw_of_its_own():
    model = build(semi_cfg(**FIXMATCH, views=UNIMATCH))
    images, samples = prepared(model, batch_with_second_view())
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.loss(images, samples)
    (batch,) = seen
    labeled, first, second, weak = batch.split(2)
    assert torch.equal(labeled, images['sup']), 'labelled images stay as they are'
    assert torch.equal(weak, images['weak'])
    masks = [(a == b).all(1) for a, b in ((first, images['strong']), (second, images['strong2']))]
    assert not any(mask.all() for mask in masks)
    assert not torch.equal(*masks)


def test_the_contrast_sees_the_labelled_images_and_the_first_view():
    views = [{'branch': 'strong2'}, {'branch': 'strong', 'weight': 0.0}]
    cfg = semi_cfg(selector=None, mixing=None, auxiliary_head=[contrast_cfg(samples_per_class=64)])
    model = build({**cfg, 'views': views}).eval()
    images, samples = prepared(model, batch_with_second_view())
    both = model.loss(images, samples)['contrast.loss_contrast']
    single = build({**cfg, 'views': views[:1]}).eval()
    single.load_state_dict(model.state_dict())
    torch.testing.assert_close(both, single.loss(images, samples)['contrast.loss_contrast'])


@pytest.mark.parametrize('views', [UNIMATCH, UNIMATCH_V2])
def test_a_step_has_no_host_sync_and_no_unused_parameter(views):
    model = build(semi_cfg(**FIXMATCH, views=views))
    images, samples = prepared(model, batch_with_second_view())
    with SyncCounter() as counter:
        losses = model.loss(images, samples)
        total_loss(model, losses).backward()
    assert dict(counter.counts) == {}
    assert not without_gradient(model)
    assert {f'unsup.{view["branch"]}.loss_consistency' for view in views} < set(losses)


@pytest.mark.parametrize('burn_in', [0, 5])
@pytest.mark.parametrize(('num_labeled', 'num_unlabeled'), [(2, 0), (0, 2), (1, 3)])
def test_any_batch_gives_finite_losses_and_all_gradients(num_labeled, num_unlabeled, burn_in):
    model = build(semi_cfg(**FIXMATCH, views=UNIMATCH_V2, semi_train_cfg={'burn_in': burn_in}))
    batch = random_batch(num_labeled, num_unlabeled)
    for key in ('inputs', 'data_samples'):
        batch[key]['strong2'] = batch[key]['strong']
    loss = total_loss(model, model.loss(*prepared(model, batch)))
    loss.backward()
    assert torch.isfinite(loss)
    assert without_gradient(model) == []


def test_a_branch_that_the_batch_lacks_is_named():
    model = build(semi_cfg(**FIXMATCH, views=UNIMATCH))
    images, samples = prepared(model, random_batch())
    with pytest.raises(ValueError, match=r"'strong2'.*branch_field"):
        model.loss(images, samples)


def test_views_with_equal_perturbations_share_one():
    views = [StudentView(**view) for view in (*UNIMATCH_V2, UNIMATCH[2])]
    perturbations = Perturbations(views)
    assert perturbations.members == [[0, 1], [2]]
    assert [type(part).__name__ for part in perturbations.parts] == [
        'ComplementaryDropout',
        'ChannelDropout',
    ]


def test_labelled_images_and_views_without_perturbation_stay_as_they_are():
    perturbations = Perturbations([StudentView('strong'), StudentView(**UNIMATCH[2])])
    stages = [torch.randn(2 + 3 + 3, 8, 4, 4), torch.randn(2 + 3 + 3, 16, 2, 2)]
    for before, after in zip(stages, perturbations(stages, [3, 3])):
        assert torch.equal(before[:5], after[:5])
        assert not torch.equal(before[5:], after[5:])
    assert perturbations(stages, [0]) is stages, 'a step on labels alone'
