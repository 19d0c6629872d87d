import pytest
import torch
from helpers import (
    build,
    prepared,
    random_batch,
    semi_cfg,
    separate_teacher,
    total_loss,
    without_gradient,
)
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.models.losses import pixel_cross_entropy
from mmseg_contrast.models.perturbations import ChannelDropout
from mmseg_contrast.structures import PixelTargets

FIXMATCH = {
    'selector': {'type': 'ThresholdMask', 'threshold': 0.34},
    'mixing': {'type': 'CrossSetCutMix', 'pairs': 'unlabeled'},
    'unsup_loss': {'type': 'ConsistencyLoss', 'loss_weight': 0.25, 'norm': 'all'},
    'semi_train_cfg': {'hard_labels': True},
    'auxiliary_head': None,
}
DROPOUT = {'type': 'ChannelDropout', 'prob': 0.5}
VIEWS = [
    {'view': 'strong2'},
    {'view': 'weak', 'weight': 2.0, 'mix': False, 'perturbation': DROPOUT},
]


def batch_with_second_view():
    batch = random_batch()
    again = random_batch()
    batch['inputs']['strong2'] = again['inputs']['strong']
    batch['data_samples']['strong2'] = batch['data_samples']['strong']
    return batch


def test_losses_of_the_views_equal_a_step_by_hand():
    views = [{'view': 'strong2', 'weight': 3.0}, {'view': 'weak', 'mix': False}]
    model = build(semi_cfg(**{**FIXMATCH, 'mixing': None}, extra_views=views))
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
    for name, factor in (('strong2', 0.75), ('weak', 0.25)):
        raw = pixel_cross_entropy(logits(model, images[name]), labels, weight.float(), norm='all')
        got = losses[f'unsup.{name}.loss_consistency']
        torch.testing.assert_close(got, factor * raw, rtol=1e-4, atol=1e-6)


def test_each_view_is_mixed_by_a_draw_of_its_own():
    model = build(semi_cfg(**FIXMATCH, extra_views=VIEWS))
    images, samples = prepared(model, batch_with_second_view())
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.loss(images, samples)
    joint, second, weak = seen
    assert torch.equal(joint[:2], images['sup']), 'labelled images stay as they are'
    assert torch.equal(weak, images['weak'])
    masks = [
        (a == b).all(1) for a, b in ((joint[2:], images['strong']), (second, images['strong2']))
    ]
    assert not any(mask.all() for mask in masks)
    assert not torch.equal(*masks)


def test_unimatch_step_has_no_host_sync_and_no_unused_parameter():
    model = build(semi_cfg(**FIXMATCH, extra_views=VIEWS))
    images, samples = prepared(model, batch_with_second_view())
    with SyncCounter() as counter:
        losses = model.loss(images, samples)
        total_loss(model, losses).backward()
    assert dict(counter.counts) == {}
    assert not without_gradient(model)
    names = [f'unsup.{name}loss_consistency' for name in ('', 'strong2.', 'weak.')]
    assert set(names) <= set(losses)


def test_a_branch_that_the_batch_lacks_is_named():
    model = build(semi_cfg(**FIXMATCH, extra_views=VIEWS))
    images, samples = prepared(model, random_batch())
    with pytest.raises(ValueError, match=r"'strong2'.*branch_field"):
        model.loss(images, samples)


def test_channel_dropout_drops_whole_channels_of_the_chosen_stages():
    stages = [torch.ones(8, 50, 3, 4), torch.ones(8, 40, 2, 2), torch.ones(8, 60, 5, 5)]
    dropout = MODELS.build({**DROPOUT, 'stages': (0, -1)})
    first, second, last = dropout(stages)
    assert second is stages[1]
    for x in (first, last):
        channels = x.flatten(2)
        assert (channels == channels[:, :, :1]).all()
        assert set(channels.unique().tolist()) == {0.0, 2.0}
        assert float((channels[:, :, 0] == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert all((x != stage).any() for x, stage in zip(ChannelDropout(0.5)(stages), stages))
    with pytest.raises(ValueError, match=r'prob=1\.0'):
        ChannelDropout(1.0)
