"""Batches with a fixed number of samples from each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, lcm

import numpy as np
from mmengine.dataset import ConcatDataset
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from ..multi_source_dataset import StreamIndex


def _counts_per_source(batch_size: int, source_ratio: Sequence[float]) -> list[int]:
    """Splits a batch by the ratios; raises ValueError unless each source gets a whole number."""
    if any(ratio <= 0 for ratio in source_ratio):
        raise ValueError(
            f'source_ratio={list(source_ratio)} holds ratios that give a source nothing: make each '
            'greater than 0, or take the source out of the ConcatDataset.'
        )
    ratios = [Fraction(ratio).limit_denominator(1000) for ratio in source_ratio]
    counts = [batch_size * ratio / sum(ratios) for ratio in ratios]
    if any(count < 1 or count.denominator != 1 for count in counts):
        step = lcm(*((ratio / sum(ratios)).denominator for ratio in ratios))
        raise ValueError(
            f'source_ratio={list(source_ratio)} divides batch_size={batch_size} into '
            f'{[round(float(count), 3) for count in counts]} samples, and each must be a whole '
            f'number of at least 1: use a multiple of {step} as batch size, e.g. '
            f'{step * max(1, ceil(batch_size / step))}, in the dataloader and in its sampler.'
        )
    return [int(count) for count in counts]


@DATA_SAMPLERS.register_module()
class MultiSourceSampler(Sampler):
    r"""Draws batches that hold a fixed number of samples of each source, without end.

    Each batch of a process is ordered by source::

        batch_size=8, source_ratio=[1, 1]   ->   [l l l l u u u u] [l l l l u u u u] ...

    Each source is one endless stream of random permutations, drawn independently of the others
    and without replacement: a smaller source goes round more often. One stream serves all
    processes. Process :math:`r` of :math:`W` takes its positions :math:`r, r + W, r + 2W, \ldots`,
    so that a step of :math:`W` processes with batch size :math:`B` draws the same samples as a
    step of one process with batch size :math:`W B`.

    The permutation of a pass depends on ``(seed, source, pass)`` alone, thus any position of the
    stream is known at once and :meth:`skip` costs nothing. The indices are :class:`StreamIndex`, by
    which :class:`MultiSourceDataset` repeats the augmentation too.

    The sampler is for iteration-based training (``IterBasedTrainLoop``): it never ends.

    Args:
        dataset (ConcatDataset): The sources, in order.
        batch_size (int): Samples per batch and process; must be the dataloader's.
        source_ratio (Sequence[int | float]): Shares of the sources in a batch, e.g. ``[1, 1]``.
        shuffle (bool): Whether to permute each source anew in each pass. Defaults to True.
        seed (int, optional): Seed, the same in all processes. Defaults to None: drawn and shared.

    Attributes:
        counts (list[int]): Samples of each source in a batch.

    Raises:
        TypeError: If ``dataset`` is not a ``ConcatDataset``.
        ValueError: If ratios and sources differ in number, a source is empty, a ratio is not
            positive, or the batch cannot be divided by the ratios.
    """

    def __init__(
        self,
        dataset: ConcatDataset,
        batch_size: int,
        source_ratio: Sequence[float],
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        if not isinstance(dataset, ConcatDataset):
            raise TypeError(
                f'MultiSourceSampler draws from the parts of a ConcatDataset and got a '
                f"{type(dataset).__name__}: write dataset=dict(type='MultiSourceDataset', "
                'datasets=[labeled_dataset, unlabeled_dataset]).'
            )
        if len(dataset.datasets) != len(source_ratio):
            raise ValueError(
                f'source_ratio={list(source_ratio)} has {len(source_ratio)} numbers for '
                f'{len(dataset.datasets)} data sets: give one number for each data set.'
            )
        self.counts = _counts_per_source(batch_size, source_ratio)
        self.sizes = [len(source) for source in dataset.datasets]
        if 0 in self.sizes:
            empty = self.sizes.index(0)
            raise ValueError(
                f'Source {empty} ({type(dataset.datasets[empty]).__name__}) has no samples: '
                'check its image folder and its list.'
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.world_size = get_dist_info()
        self._start = 0

    def _source_stream(self, source: int, position: int) -> Iterator[int]:
        """Yields this process's part of a source from its ``position``-th sample on."""
        size = self.sizes[source]
        offset = sum(self.sizes[:source])
        current_pass = -1
        while True:
            # the generator advances by whole passes, `place` is the sample inside of one
            this_pass, place = divmod(position * self.world_size + self.rank, size)
            if this_pass != current_pass:
                current_pass = this_pass
                order = np.arange(size)
                if self.shuffle:
                    order = np.random.default_rng([self.seed, source, this_pass]).permutation(size)
            draw = (self.seed, source, position * self.world_size + self.rank)
            yield StreamIndex(offset + int(order[place]), draw)
            position += 1

    def __iter__(self) -> Iterator[int]:
        """Yields indices into the concatenated data set, from the skipped position on."""
        batch, place = divmod(self._start, self.batch_size)
        streams = [
            self._source_stream(source, batch * count) for source, count in enumerate(self.counts)
        ]
        while True:
            for stream, count in zip(streams, self.counts):
                for _ in range(count):
                    index = next(stream)
                    # only in the first batch: the samples of it that were skipped
                    if place > 0:
                        place -= 1
                    else:
                        yield index

    def skip(self, num_samples: int) -> None:
        """Sets where the next iteration begins; MMEngine calls it to resume without loading data.

        Args:
            num_samples (int): Indices that this process has consumed since the start of the
                training (absolute, not relative to the present position).

        Raises:
            ValueError: If ``num_samples`` is negative.
        """
        if num_samples < 0:
            raise ValueError(f'skip() got num_samples={num_samples}: give a number >= 0.')
        self._start = num_samples

    def passes(self, num_iters: int) -> list[float]:
        """Tells how often each source has been seen as a whole after a number of iterations.

        Args:
            num_iters (int): Finished training iterations, all processes in step.

        Returns:
            list[float]: Passes over each source.
        """
        return [
            num_iters * count * self.world_size / size
            for count, size in zip(self.counts, self.sizes)
        ]

    def __len__(self) -> int:
        """The number of samples of all sources; the iterator itself has no end."""
        return sum(self.sizes)

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: there are no epochs, each source counts its own passes."""
