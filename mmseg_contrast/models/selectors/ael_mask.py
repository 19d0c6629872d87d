"""Adaptive equalisation: the better a class is learnt, the fewer of its pixels are kept."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least, in_range
from ...structures.pixel_targets import sum_by_class
from ...structures.running_stats import Ratio
from ..device import without_autocast
from .base import Selector
from .top_class import TopClass


@MODELS.register_module()
class AELMask(Selector):
    r"""Keeps confident pixels at random, and those of well-learnt classes less often.

    .. math:: M = [p_{max} \ge t] \cdot Bernoulli(r_{\hat c}), \quad
        r_c = \left(\frac{1 - conf_c}{\max_k (1 - conf_k)}\right)^\beta

    where :math:`\hat c` is the teacher's class and :math:`conf_c` a moving average of the student's
    probability of c on the pixels labelled c. It averages the global batch over the steps in which c
    occurs, and is corrected for its initial value. A class that has not occurred yet has confidence 0, so
    all its pixels are kept. Source: adaptive equalisation sampling of AEL (Hu et al., NeurIPS 2021), the
    mask in CSC's Eq. 4a; AEL draws by the student's class, which takes a second forward pass.

    Args:
        num_classes (int): Number of classes C.
        threshold (float): t, the lowest confidence that is kept, in [0, 1].
        beta (float): :math:`\beta`, at least 0; 0 treats all classes alike.
        momentum (float): Weight of a step in the moving average, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        threshold: float = 0.0,
        beta: float = 1.0,
        momentum: float = 0.001,
    ) -> None:
        super().__init__()
        in_range(self, '[0, 1]', 'a probability', threshold=threshold)
        at_least(self, 0, beta=beta)
        in_range(self, '(0, 1]', 'the share of the new value', momentum=momentum)
        self.num_classes = num_classes
        self.threshold = threshold
        self.beta = beta
        self.momentum = momentum
        # Of the doubt 1 - conf: between sure classes the rates compare what float32 rounds off at 1.
        self.register_buffer('average_doubt', torch.zeros(num_classes))
        self.register_buffer('steps', torch.zeros(num_classes, dtype=torch.long))

    @property
    def doubt(self) -> Tensor:
        """:math:`1 - conf_c` of each class, float of shape (C,)."""
        # An average that began at 0 is too small by this factor.
        bias = 1 - (1 - self.momentum) ** self.steps.to(self.average_doubt)
        return torch.where(self.steps > 0, self.average_doubt / bias, 1)

    @property
    def confidence(self) -> Tensor:
        """Confidence of each class, float of shape (C,)."""
        return 1 - self.doubt

    @property
    def rate(self) -> Tensor:
        """Probability with which a pixel of each class is kept, float of shape (C,)."""
        doubt = self.doubt
        most = doubt.max()
        return torch.where(most > 0, doubt / most, 1) ** self.beta

    @torch.no_grad()
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | Ratio]]:
        """Draw the mask; see :meth:`Selector.forward`."""
        rate = self.rate
        drawn = torch.rand(valid.shape, device=valid.device) < rate[top.labels]
        weight = drawn & (top.confidence >= self.threshold) & valid
        seen = self.steps > 0
        stats = {
            'confidence_per_class': Ratio(self.confidence * seen, seen),
            'rate_per_class': rate,
        }
        return weight.float(), stats

    @torch.no_grad()
    def observe(self, logits: Tensor, labels: Tensor) -> None:
        """Update the confidences; see :meth:`Selector.observe`."""
        known = (labels >= 0) & (labels < self.num_classes)
        index = labels.where(known, 0).unsqueeze(1)
        with without_autocast(logits):
            logits = logits.float()
            true = logits.gather(1, index).squeeze(1)
            others = logits.scatter(1, index, -torch.inf).logsumexp(1)
            doubt = (others - true).sigmoid()
        # Pixels without a label fall into one spare place.
        place = labels.where(known, self.num_classes)
        total = torch.stack(
            [sum_by_class(x, place, self.num_classes) for x in (doubt, torch.ones_like(doubt))]
        )
        all_reduce(total)
        mass, count = total
        moved = torch.lerp(mass / count.clamp(min=1), self.average_doubt, 1 - self.momentum)
        self.average_doubt.copy_(torch.where(count > 0, moved, self.average_doubt))
        self.steps.add_(count > 0)
