import torch

from mmseg_contrast.models.memory.base import MemoryBank, Offer


class LastOffer(MemoryBank):
    def update(self, offer):
        self.rows.copy_(offer.candidates[:, : self.size])
        self.count.fill_(1)
        self.updates.add_(1)

    def statistics(self):
        return {}


def offer(**more):
    candidates = torch.ones(2, 3, 4, requires_grad=True)
    return Offer(candidates, torch.ones(2, 3, dtype=torch.bool), **more)


def test_what_is_staged_waits_for_the_commit_and_is_taken_once():
    bank = LastOffer(2, 3, 4)
    bank.stage(offer())
    assert bank.rows.sum() == 0
    bank.commit()
    assert bank.rows.sum() == 24 and not bank.rows.requires_grad
    bank.commit()
    assert bank.updates == 1
    assert bank.valid.tolist() == [[True, False, False]] * 2
    assert bank.events() == {}


def test_an_offer_without_a_gradient():
    sums = torch.ones(1, 2, 4, requires_grad=True), torch.ones(1, 2)
    plain = offer().detach()
    assert not plain.candidates.requires_grad and plain.scores is None and plain.features is None
    full = offer(scores=torch.ones(2, 3, requires_grad=True), limit=2, features=sums).detach()
    assert not full.scores.requires_grad and full.limit == 2
    assert not full.features[0].requires_grad and full.features[1] is sums[1]
