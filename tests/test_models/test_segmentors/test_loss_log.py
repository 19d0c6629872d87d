import torch

from mmseg_contrast.models.segmentors.loss_log import LossLog
from mmseg_contrast.structures.running_stats import Ratio, RunningStats


def test_names_have_a_prefix_and_losses_a_weight():
    stats = RunningStats()
    log = LossLog(stats)
    one, two = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0)
    log.add('sup', {'loss_ce': one})
    log.add('unsup', {'loss': two}, {'share': Ratio(torch.tensor(1.0), torch.tensor(4.0))}, 0.5)
    log.add('contrast', stats={'pairs': 7.0})
    assert log.losses.keys() == {'sup.loss_ce', 'unsup.loss'}
    assert log.losses['sup.loss_ce'] is one, 'a weight of 1 is no operation'
    assert log.losses['unsup.loss'] == 1.5
    assert stats.pop() == {'unsup.share': 0.25, 'contrast.pairs': 7.0}
