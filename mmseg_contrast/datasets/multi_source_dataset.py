"""Several data sets in one, whose augmentation is a function of the place in the stream."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS


class StreamIndex(int):
    """Index of a sample that knows for which draw of the stream it stands.

    Attributes:
        draw (tuple[int, ...]): Seed of the run, source, and position in the source's stream.
    """

    draw: tuple[int, ...]

    def __new__(cls, index: int, draw: tuple[int, ...]) -> StreamIndex:
        """Make an index.

        Args:
            index (int): Index of the sample.
            draw (tuple[int, ...]): What identifies the draw; integers >= 0.
        """
        self = super().__new__(cls, index)
        self.draw = draw
        return self

    def __reduce__(self) -> tuple:
        # Workers receive indices by pickle.
        return StreamIndex, (int(self), self.draw)


@DATASETS.register_module()
class MultiSourceDataset(ConcatDataset):
    """MMEngine's ``ConcatDataset`` with random augmentation that a resumed run repeats exactly.

    Before it loads a sample that :class:`MultiSourceSampler` drew, it seeds NumPy and ``random`` by
    the draw. So what a step sees depends on the seed and the iteration alone: not on the number of
    workers, nor on where a run was interrupted. Arguments are those of ``ConcatDataset``.
    """

    def __getitem__(self, idx: int) -> Any:
        """Load a sample.

        Args:
            idx (int): Its index; a :class:`StreamIndex` fixes the random numbers.
        """
        if isinstance(idx, StreamIndex):
            np.random.seed(np.random.SeedSequence(idx.draw).generate_state(4))
            random.seed(repr(idx.draw))
        return super().__getitem__(int(idx))
