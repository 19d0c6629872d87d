"""Signs that a training is going wrong, by which it is warned of and reported."""

from __future__ import annotations

#: What it means when a statistic of this name stays 0.
ZERO_REASONS = {
    'coverage': 'no pixel passes the selector: its threshold is too high for this teacher; lower it '
    'or lengthen the burn-in',
    'anchors': 'no pixel can be an anchor: all pixels of the feature grid are ignored, rejected by '
    'the selector, or of excluded classes',
    'positives': 'no anchor has a positive: each class occurs once at most; raise samples_per_class '
    'or the crop size',
    'negatives': 'all sampled pixels are of one class: a contrast needs at least two in a batch',
}

#: The teacher drifts where a class has MORE times the share in its labels that it has in the masks
#: (and MIN_MORE of its labels or more), or is FEWER times rarer there (and has MIN_FEWER of the masks or
#: more).
MORE, MIN_MORE = 2.0, 0.02
FEWER, MIN_FEWER = 4.0, 0.005


def drifts(known: float, taught: float) -> bool:
    """Tell whether a class has a far greater or smaller share of the teacher's labels than of the masks.

    Args:
        known (float): Its share of the masks, in [0, 1].
        taught (float): Its share of the teacher's labels, in [0, 1].
    """
    return taught >= max(MORE * known, MIN_MORE) or (taught <= known / FEWER and known >= MIN_FEWER)
