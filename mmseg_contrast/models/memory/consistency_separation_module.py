"""Consistency and separation of the classes in a memory bank."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least, in_range, one_of
from ...structures.running_stats import Ratio
from ..device import without_autocast
from .base import Offer
from .class_memory_bank import ClassMemoryBank

GATES = ('best', 'strict', 'official')
CONSISTENCY, ENQUEUE = 0, 1


@MODELS.register_module()
class ConsistencySeparationModule(ClassMemoryBank):
    r"""A bank whose rows follow the features (consistency) and keep the classes apart (separation).

    Each update proposes two candidates, one after the other, and a gate accepts or refuses each:

    1. *Consistency*: all rows u of a class of the batch move towards its mean feature,

       .. math::
           u \leftarrow Norm(\alpha_c u + (1 - \alpha_c) \bar z_c), \quad
           \alpha_c = \frac{L_c}{L_c + n_c}, \quad
           \bar z_c = Norm\Big(\sum_x \frac{1}{n_x^c} \sum_{i: y_i = c} z_i^x\Big)

       with :math:`L_c` rows in the bank, :math:`n_c` sampled features and the mean over the
       images x that have the class.
    2. *Enqueue*: new rows overwrite the oldest.

    The gate looks at

    .. math:: Separ = \sum_{c, c'} \bar u_c \cdot \bar u_{c'} + C (C - 1)
        = \Big\| \sum_c \bar u_c \Big\|^2 + C (C - 1), \quad \bar u_c = Norm(mean_l \, u_{cl})

    lower being better. Source: CSC, Eq. 8 and 9 and Algorithm 1.

    Running sums of the classes tell a candidate's Separ before a row is touched, for both: no
    copy of the bank is made, what is refused leaves rows, counts and pointers as they are,
    and nothing waits for the host. All ranks take the same decisions.

    The gate is open until two classes were seen and every seen class has ``min_fill`` of its rows: a few
    rows say little of a class. It opens again for the first rows of a new class, whose mean alone
    would raise Separ by more than any range, and while that class fills up. The best Separ is that
    of the accepted candidates since the gate works.

    Args:
        num_classes (int): Number of classes C.
        size (int): Rows of each class L.
        channels (int): Channels of a row D.
        consistency (bool): Whether there is a consistency candidate.
        gate (str, optional): ``'best'`` accepts a candidate whose Separ is at most the best so far
            plus ``gate_range`` (the paper's text); ``'strict'`` one that is better than the bank as
            it is (Algorithm 1); ``'official'`` is strict with the consistency candidate and
            ``'best'`` with the enqueue candidate, and works once no class is empty (published code).
            None accepts everything.
        gate_range (float): x of the paper's text, in units of Separ, at least 0.
        min_fill (float): Share of its rows that each seen class has once the gate works, in [0, 1].
        max_consecutive_rejects (int, optional): The candidate after so many refused ones of its kind
            is accepted, and the best Separ becomes its own. None: no bound, as published.
        pooled_mean (bool): Whether :math:`\bar z_c` is the plain mean of all samples of a class, whose
            length is below 1, in the place of Eq. 8a (published code).
        drift_momentum (float): Share of the new mean in the running class means that the drift is
            measured against, in (0, 1].

    Attributes:
        sums (Tensor): Sum of the rows of each class, float32 of shape (C, D).
        separ_best (Tensor): Best Separ, float32 scalar; inf while the gate does not work.
        rejects (Tensor): Consecutive refusals, of the consistency and of the enqueue candidates,
            int64 of shape (2,).
        proposed (Tensor): Whether the last update had the two candidates, float32 of shape (2,) in {0, 1}.
        accepted (Tensor): What became of them, likewise.
        drift (Tensor): Mean cosine of the last step's class means with the running ones, float32 scalar.

    Raises:
        ValueError: If an argument is out of its range.
    """

    unit_rows = True
    follows_features = True

    def __init__(
        self,
        num_classes: int,
        size: int = 2000,
        channels: int = 256,
        *,
        consistency: bool = True,
        gate: str | None = 'best',
        gate_range: float = 1.0,
        min_fill: float = 1.0,
        max_consecutive_rejects: int | None = None,
        pooled_mean: bool = False,
        drift_momentum: float = 0.1,
    ) -> None:
        super().__init__(num_classes, size, channels)
        name = type(self).__name__
        one_of(self, GATES, optional=True, gate=gate)
        at_least(self, 0, gate_range=gate_range)
        in_range(self, '[0, 1]', 'a share of the rows', min_fill=min_fill)
        if max_consecutive_rejects is not None and max_consecutive_rejects < 0:
            raise ValueError(
                f'{name}(max_consecutive_rejects={max_consecutive_rejects}) must be at least 0, or '
                'None for no bound.'
            )
        in_range(self, '(0, 1]', 'the share of the new mean', drift_momentum=drift_momentum)
        self.consistency = consistency
        self.gate = gate
        self.gate_range = gate_range
        self.min_fill = min_fill
        self.max_consecutive_rejects = max_consecutive_rejects
        self.pooled_mean = pooled_mean
        self.drift_momentum = drift_momentum
        self.register_buffer('sums', torch.zeros(num_classes, channels))
        self.register_buffer('separ_best', torch.tensor(torch.inf))
        self.register_buffer('rejects', torch.zeros(2, dtype=torch.long))
        self.register_buffer('proposed', torch.zeros(2))
        self.register_buffer('accepted', torch.zeros(2))
        self.register_buffer('running_means', torch.zeros(num_classes, channels))
        self.register_buffer('drift', torch.ones(()))

    # ------------------------------------------------------------------ a step

    def update(self, offer: Offer) -> None:
        """Propose the two candidates of a step; see :meth:`MemoryBank.update`."""
        with without_autocast(self.rows):
            if offer.features is not None:
                sums, counts = offer.features
                if not self.pooled_mean:
                    # Eq. 8a takes the mean of each image first, so that no image outweighs another.
                    sums = sums / counts.clamp(min=1).unsqueeze(2)
                packed = [sums.sum(0).float(), counts.sum(0).float().unsqueeze(1)]
                packed = torch.cat(packed, 1)
                all_reduce(packed)
                sums, counts = packed[:, :-1], packed[:, -1]
                directions = F.normalize(sums, dim=1)
                self._follow_drift(directions, counts > 0)
                if self.consistency:
                    plain = sums / counts.clamp(min=1).unsqueeze(1)
                    self.pull(plain if self.pooled_mean else directions, counts)
            super().update(offer)

    @torch.no_grad()
    def pull(self, means: Tensor, num_samples: Tensor) -> None:
        """Propose the consistency candidate (Eq. 8).

        The length of a row's new vector follows from its product with the mean, so the class sums of
        the candidate take one pass over the bank, and the rows change in place, if at all.

        Args:
            means (Tensor): Vectors of shape (C, D), of length 1 or less; the same on every rank.
            num_samples (Tensor): Number of features behind them, of shape (C,); 0 where there are none.
        """
        keep = self.count / (self.count + num_samples).clamp(min=1)
        moves = (self.count > 0) & (num_samples > 0)
        keep = torch.where(moves, keep, 1).unsqueeze(1)
        inner = torch.bmm(self.rows, means.unsqueeze(2)).squeeze(2)
        square = means.square().sum(1, keepdim=True)
        length = keep**2 + (1 - keep) ** 2 * square + 2 * keep * (1 - keep) * inner
        length = length.clamp(min=1e-12).sqrt()
        scale = keep / length
        shift = (1 - keep) / length * self.valid
        sums = torch.bmm(scale.unsqueeze(1), self.rows).squeeze(1)
        sums += shift.sum(1, keepdim=True) * means
        accept = self._decide(CONSISTENCY, sums, moves.any())
        scale, shift = torch.where(accept, scale, 1), torch.where(accept, shift, 0)
        self.rows.mul_(scale.unsqueeze(2)).addcmul_(shift.unsqueeze(2), means.unsqueeze(1))
        self.sums.copy_(torch.where(accept, sums, self.sums))

    def propose(self, candidates: Tensor, mask: Tensor) -> None:
        """Propose the enqueue candidate: unit vectors of shape (C, K, D) as new rows."""
        order, place, filled = self.plan(mask)
        index = order.unsqueeze(2).expand(-1, -1, self.channels)
        change = candidates.to(self.rows).gather(1, index)
        change = change - self.rows.gather(1, place.unsqueeze(2).expand_as(change))
        sums = self.sums + (change * filled.unsqueeze(2)).sum(1)
        newcomer = filled.any(1) & (self.count == 0)
        accept = self._decide(ENQUEUE, sums, filled.any(), ~newcomer.any())
        self.write(candidates, mask & accept)
        self.sums.copy_(torch.where(accept, sums, self.sums))

    # ------------------------------------------------------------------ the gate

    def separ(self, sums: Tensor | None = None) -> Tensor:
        """Return Separ (Eq. 9) of class sums (C, D), by default of the bank; a class without rows is 0.

        Args:
            sums (Tensor, optional): Sums of the rows of each class.
        """
        sums = self.sums if sums is None else sums
        total = F.normalize(sums, dim=1).sum(0)
        return total.square().sum() + self.num_classes * (self.num_classes - 1)

    def _decide(
        self, kind: int, sums: Tensor, proposed: Tensor, settled: Tensor | bool = True
    ) -> Tensor:
        seen = self.count > 0
        full = self.count >= self.min_fill * self.size
        if self.gate == 'official':
            full &= seen
        else:
            full |= ~seen
        working = full.all() & (seen.sum() > 1) & settled
        value, best = self.separ(sums), self.separ_best
        strict = self.gate == 'strict' or (self.gate == 'official' and kind == CONSISTENCY)
        within = value < self.separ() if strict else value <= best + self.gate_range
        within = within | (~working if self.gate else True)
        bound = self.max_consecutive_rejects
        forced = ~within & (False if bound is None else self.rejects[kind] >= bound)
        accept = within | forced
        best = torch.where(within, torch.minimum(value, best), torch.where(forced, value, best))
        best = torch.where(working, best, torch.inf)
        rejects = torch.where(accept, 0, self.rejects[kind] + 1)
        # Where nothing is proposed nothing is refused, and the gate stays as it is.
        self.separ_best.copy_(torch.where(proposed, best, self.separ_best))
        self.rejects[kind] = torch.where(proposed, rejects, self.rejects[kind])
        self.proposed[kind] = proposed.float()
        self.accepted[kind] = (proposed & accept).float()
        return accept

    # ------------------------------------------------------------------ diagnostics

    def _follow_drift(self, means: Tensor, present: Tensor) -> None:
        known = self.running_means.square().sum(1) > 0
        cosine = F.cosine_similarity(means, self.running_means, dim=1)
        both = present & known
        share = (cosine * both).sum() / both.sum().clamp(min=1)
        self.drift.copy_(torch.where(both.any(), share, self.drift))
        moved = torch.where(
            known.unsqueeze(1), self.running_means.lerp(means, self.drift_momentum), means
        )
        self.running_means.copy_(torch.where(present.unsqueeze(1), moved, self.running_means))

    def events(self) -> dict[str, Tensor | Ratio]:
        """Say what the last update was like; the mean over many is what tells something.

        Returns:
            dict[str, Tensor | Ratio]: ``accept_consistency`` (unless that is off) and ``accept_enqueue``,
            the accepted of the candidates that there were; and ``cons_proxy``, ``drift``.
        """
        kinds = {'accept_enqueue': ENQUEUE}
        if self.consistency:
            kinds['accept_consistency'] = CONSISTENCY
        accepted, proposed = self.accepted.clone(), self.proposed.clone()
        events = {name: Ratio(accepted[kind], proposed[kind]) for name, kind in kinds.items()}
        return {**events, 'cons_proxy': self.drift.clone()}

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Say what Figure 1 of the paper shows, and whether the module is in danger.

        Returns:
            dict[str, Tensor]: Beside those of :class:`ClassMemoryBank`: ``separ`` and ``separ_best``
            (that of the bank while the gate does not work); ``inter_cos``, the mean cosine of two
            classes' means, comparable over C; ``intra_spread``, the mean of ``1 - |mean row|`` over the
            classes, 0 when each has collapsed to a point; ``rejects``, consecutive refusals of rows;
            ``rows_min``, rows of the emptiest seen class; and ``rows_per_class``.
        """
        seen = self.count > 0
        number = seen.sum()
        separ = self.separ()
        pairs = (number * (number - 1)).clamp(min=1)
        overlap = separ - self.num_classes * (self.num_classes - 1) - number
        spread = (1 - self.sums.norm(dim=1) / self.count.clamp(min=1)) * seen
        return {
            **super().statistics(),
            'separ': separ,
            'separ_best': torch.where(self.separ_best.isfinite(), self.separ_best, separ),
            'inter_cos': overlap / pairs,
            'intra_spread': spread.sum() / number.clamp(min=1),
            'rejects': self.rejects[ENQUEUE].clone(),
            'rows_min': torch.where(seen, self.count, self.size).min() * seen.any(),
            'rows_per_class': self.count.clone(),
        }
