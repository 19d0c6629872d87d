"""The rule that says which predictions become labels."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DEFAULT_THRESHOLD = 0.8


@dataclass(frozen=True)
class LabelRule:
    """Which predictions become labels: those above a threshold, and of each class at least a share.

    Attributes:
        threshold (float): Score that a prediction exceeds, in [0, 1).
        class_thresholds (Mapping[str, float]): Thresholds of single classes, by name, in [0, 1).
        keep_ratio (float, optional): Share of the pixels predicted as a class that is kept at least, in
            (0, 1]: the threshold of a class which fewer exceed is lowered to that of
            :func:`mmseg_contrast.pseudo_labels.balanced_thresholds`.
        tta (bool): Whether a score is the mean over the views of ``tta_pipeline``.

    Raises:
        ValueError: If the ratio is none.
    """

    threshold: float = DEFAULT_THRESHOLD
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    keep_ratio: float | None = None
    tta: bool = False

    def __post_init__(self) -> None:
        if self.keep_ratio is not None and not 0 < self.keep_ratio <= 1:
            raise ValueError(f'keep_ratio={self.keep_ratio} is no share: give one in (0, 1]')

    def thresholds(self, classes: Sequence[str]) -> dict[str, float]:
        """Put together the threshold of each class, before ``keep_ratio`` lowers it.

        Args:
            classes (Sequence[str]): Class names.

        Raises:
            ValueError: If a name is no class, or a threshold not in [0, 1).
        """
        for name in self.class_thresholds:
            if name not in classes:
                near = difflib.get_close_matches(name, classes, n=1)
                hint = (
                    f'did you mean {near[0]!r}?'
                    if near
                    else f'the classes are {", ".join(classes)}'
                )
                raise ValueError(f'there is no class {name!r} to give a threshold; {hint}')
        thresholds = {name: self.class_thresholds.get(name, self.threshold) for name in classes}
        for name, value in thresholds.items():
            if not 0 <= value < 1:
                raise ValueError(f'the threshold {value} of {name} is no score: give one in [0, 1)')
        return thresholds
