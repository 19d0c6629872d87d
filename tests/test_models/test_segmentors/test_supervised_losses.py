import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import data_sample, head_cfg, random_label
from mmseg.registry import MODELS

from mmseg_contrast.models.segmentors.supervised_losses import supervised_losses


def case():
    samples = [data_sample(random_label((8, 8))) for _ in range(2)]
    return torch.randn(2, 3, 8, 8), samples


def test_equals_the_heads_own_losses_without_its_accuracy():
    logits, samples = case()
    head = MODELS.build(
        head_cfg(
            loss_decode=[
                {'type': 'PixelCrossEntropyLoss'},
                {'type': 'PixelCrossEntropyLoss', 'loss_weight': 0.5, 'norm': 'all'},
                {'type': 'PixelCrossEntropyLoss', 'loss_name': 'loss_other'},
            ]
        )
    )
    losses = supervised_losses(head, logits, samples)
    theirs = head.loss_by_feat(logits, copy.deepcopy(samples))
    assert set(losses) == set(theirs) - {'acc_seg'} == {'loss_ce', 'loss_other'}
    for name, value in losses.items():
        torch.testing.assert_close(value, theirs[name])


def test_the_heads_ignore_index_and_sampler_are_used():
    logits, samples = case()
    labels = torch.cat([s.gt_sem_seg.data for s in samples])
    head = MODELS.build(head_cfg(ignore_index=0))
    valid = (labels != 0) & (labels != 255)
    logits_255 = labels.masked_fill(labels == 255, 0)
    renamed = [data_sample(label) for label in logits_255]
    expected = F.cross_entropy(logits, labels, ignore_index=255, reduction='none')[valid].mean()
    torch.testing.assert_close(supervised_losses(head, logits, renamed)['loss_ce'], expected)

    head = MODELS.build(
        head_cfg(sampler={'type': 'OHEMPixelSampler', 'thresh': 0.2, 'min_kept': 2})
    )
    theirs = head.loss_by_feat(logits, copy.deepcopy(samples))['loss_ce']
    ours = supervised_losses(head, logits, samples)['loss_ce']
    torch.testing.assert_close(ours, theirs)
    plain = supervised_losses(MODELS.build(head_cfg()), logits, samples)['loss_ce']
    assert float(ours) != pytest.approx(float(plain))


def test_a_head_with_its_own_loss_computes_it():
    @MODELS.register_module(force=True)
    class OwnLossHead(MODELS.get('FCNHead')):
        def loss_by_feat(self, seg_logits, batch_data_samples):
            return {'loss_own': seg_logits.sum(), 'acc': torch.tensor(1.0)}

    logits, samples = case()
    losses = supervised_losses(MODELS.build(head_cfg(type='OwnLossHead')), logits, samples)
    assert torch.equal(losses['loss_own'], logits.sum())


@pytest.mark.parametrize('ignore_index', [0, 254])
def test_255_is_ignored_whatever_the_ignore_index_and_the_loss(ignore_index):
    @MODELS.register_module(force=True)
    class SumHead(MODELS.get('FCNHead')):
        def loss_by_feat(self, seg_logits, batch_data_samples):
            return {'loss_sum': torch.cat([s.gt_sem_seg.data for s in batch_data_samples]).sum()}

    logits, samples = case()
    labels = torch.cat([s.gt_sem_seg.data for s in samples])
    valid = (labels != ignore_index) & (labels != 255)
    assert 0 < int(valid.sum()) < int((labels != ignore_index).sum())
    expected = F.cross_entropy(logits, labels, ignore_index=255, reduction='none')[valid].mean()
    for loss in (
        {'type': 'PixelCrossEntropyLoss'},
        {'type': 'CrossEntropyLoss', 'avg_non_ignore': True},
    ):
        head = MODELS.build(head_cfg(ignore_index=ignore_index, loss_decode=loss))
        value = supervised_losses(head, logits, samples)['loss_ce']
        torch.testing.assert_close(value, expected)
    head = MODELS.build(head_cfg(type='SumHead', ignore_index=ignore_index))
    told = supervised_losses(head, logits, samples)['loss_sum']
    assert int(told) == int(labels.where(valid, ignore_index).sum())
    assert 255 in torch.cat([s.gt_sem_seg.data for s in samples]), 'the samples must not change'
