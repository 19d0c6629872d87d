"""Sizes, batch and steps of a training, chosen from the data and the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch

#: Memory of a GPU in GiB from which on crops of a side are taken, largest first.
_CROPS = ((15, 512), (7, 384), (0, 256))
_CPU_CROP = 224
_MULTIPLE = 32  # of the strides of all nets
_SMALLEST = 64
_LARGEST = 1.5  # times that small photos are enlarged
# A recipe's batch of 4 labelled images, each seen so many times, ends near its best score.
_VIEWS = 200
_LABELED_IN_A_STEP = 4
_FEWEST, _MOST, _MOST_ON_A_CPU = 1000, 20000, 2000
_MOST_WORKERS = 4


@dataclass(frozen=True)
class Machine:
    """What a training may use.

    Attributes:
        gpu_memory (float | None): GiB of the smallest GPU; None without any.
        cores (int): Processor cores of this process.
    """

    gpu_memory: float | None
    cores: int

    def __str__(self) -> str:
        if self.gpu_memory is None:
            return f'a CPU with {self.cores} core{"s" if self.cores > 1 else ""}'
        return f'a GPU of {self.gpu_memory:.0f} GiB'


def this_machine() -> Machine:
    """Look at the machine."""
    number = torch.cuda.device_count()
    memory = [torch.cuda.get_device_properties(i).total_memory / 2**30 for i in range(number)]
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    return Machine(min(memory, default=None), cores)


@dataclass(frozen=True)
class Choices:
    """Numbers of a training.

    Attributes:
        photo (tuple[int, int]): Median size of the photos, longer and shorter side.
        image_scale (tuple[int, int]): Size at which they are read, longer and shorter side.
        crop_size (tuple[int, int]): Height and width of a crop.
        steps (int): Iterations.
        num_workers (int): Processes that load data.
        halve_batch (bool): Whether the batch is half of the recipe's.
    """

    photo: tuple[int, int]
    image_scale: tuple[int, int]
    crop_size: tuple[int, int]
    steps: int
    num_workers: int
    halve_batch: bool


def choose(
    sizes: Sequence[tuple[int, int]], labeled: int, machine: Machine, steps: int | None = None
) -> Choices:
    """Choose the numbers of a training.

    Args:
        sizes (Sequence[tuple[int, int]]): Heights and widths of the photos; at least one.
        labeled (int): Number of labelled images for training.
        machine (Machine): Where it will run.
        steps (int, optional): Iterations. Defaults to None: by the number of labelled images.

    Returns:
        Choices: The numbers.

    Raises:
        ValueError: If there are fewer than 10 steps.
    """
    if steps is not None and steps < 10:
        raise ValueError(f'--steps {steps} is too few to learn anything: give 1000 or more.')
    on_cpu = machine.gpu_memory is None
    limit = _CPU_CROP
    if not on_cpu:
        limit = next(side for memory, side in _CROPS if machine.gpu_memory >= memory)
    long, short = (round(median(side(size) for size in sizes)) for side in (max, min))
    # A crop is about half of an image, so that it shows things with what is around them.
    scale = min(_LARGEST, 2 * limit / long)
    scale = max(scale, _SMALLEST / short)
    image_scale = (round(scale * long), round(scale * short))
    side = max(_MULTIPLE, min(limit, image_scale[1] // _MULTIPLE * _MULTIPLE))
    if steps is None:
        wanted = _VIEWS * labeled / _LABELED_IN_A_STEP
        most = _MOST_ON_A_CPU if on_cpu else _MOST
        steps = round(min(max(wanted, _FEWEST), most) / 500) * 500
    return Choices(
        photo=(long, short),
        image_scale=image_scale,
        crop_size=(side, side),
        steps=steps,
        num_workers=max(1, min(_MOST_WORKERS, machine.cores - 1)),
        halve_batch=not on_cpu and machine.gpu_memory < _CROPS[1][0],
    )
