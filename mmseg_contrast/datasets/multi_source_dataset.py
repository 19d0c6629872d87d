"""Several data sets in one, whose augmentation is a function of the place in the stream."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.registry import DATASETS

from .transforms import MultiBranch


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
    workers, nor on where a run was interrupted.

    Args:
        datasets (Sequence[BaseDataset | dict]): The sources, or their configs.
        lazy_init (bool): As in ``ConcatDataset``.
        ignore_keys (str | Sequence[str]): Meta information that need not be the same.

    Raises:
        ValueError: If the meta information of two sources differs, such as their classes.
    """

    def __init__(
        self,
        datasets: Sequence[BaseDataset | dict],
        lazy_init: bool = False,
        ignore_keys: str | Sequence[str] = (),
    ) -> None:
        sources = [DATASETS.build(each) if isinstance(each, dict) else each for each in datasets]
        ignored = [ignore_keys] if isinstance(ignore_keys, str) else list(ignore_keys)
        for number, source in enumerate(sources):
            _check_same_metainfo(sources[0], source, number, ignored)
        super().__init__(sources, lazy_init, ignored)

    def __getitem__(self, idx: int) -> Any:
        """Load a sample.

        Args:
            idx (int): Its index; a :class:`StreamIndex` fixes the random numbers.
        """
        if isinstance(idx, StreamIndex):
            np.random.seed(np.random.SeedSequence(idx.draw).generate_state(4))
            random.seed(repr(idx.draw))
        return super().__getitem__(int(idx))


def images_per_branch(dataset: Any) -> dict[str, int]:
    """Count the images that can come in each branch of a batch.

    Args:
        dataset (Any): A data set, several, or one in MMEngine's wrappers, which repeat images but add
            none.

    Returns:
        dict[str, int]: Number of images by branch; empty where no pipeline has a
        :class:`MultiBranch`.
    """
    if isinstance(dataset, ConcatDataset):
        total: Counter[str] = Counter()
        for part in dataset.datasets:
            total.update(images_per_branch(part))
        return dict(total)
    if hasattr(dataset, 'dataset'):
        return images_per_branch(dataset.dataset)
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    branches = {b for t in transforms if isinstance(t, MultiBranch) for b in t.branch_pipelines}
    return dict.fromkeys(sorted(branches), len(dataset))


def _check_same_metainfo(
    first: BaseDataset, other: BaseDataset, number: int, ignored: Sequence[str]
) -> None:
    # MMEngine refuses this too, but does not say what differs.
    one, two = first.metainfo, other.metainfo
    for key in sorted({*one, *two} - set(ignored)):
        if one.get(key) != two.get(key):
            raise ValueError(
                f'source {number} ({type(other).__name__}) has {key}={two.get(key)}, but source 0 '
                f'({type(first).__name__}) {key}={one.get(key)}: give all sources the same '
                'metainfo, and unlabelled ones like=<config of the labelled data set>.'
            )
