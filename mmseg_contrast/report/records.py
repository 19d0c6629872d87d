"""What a run keeps for its report, as JSON files beside its logs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_file

#: Folder of the records, beside ``vis_data`` in the folder of a start.
FOLDER = 'report'


@dataclass(frozen=True)
class ImageSet:
    """A set of training images.

    Attributes:
        name (str): What it is to the training, such as ``'labelled'``.
        images (int): Its images.
        per_step (int): Images of it in each step, over all processes.
    """

    name: str
    images: int
    per_step: int


@dataclass(frozen=True)
class Start:
    """What is known when a training starts, or goes on.

    Attributes:
        iteration (int): Iterations that were done before.
        max_iters (int): Length of the whole training.
        burn_in (int): Iterations on labels alone.
        seed (int): Seed of the run.
        processes (int): Number of processes.
        command (str): Command line.
        time (str): When, in ISO format.
        classes (list[str]): Names of the C classes.
        palette (list[list[int]]): Their RGB colours.
        sets (list[ImageSet]): Training images.
        environment (dict[str, str]): Versions and devices.
    """

    iteration: int
    max_iters: int
    burn_in: int
    seed: int
    processes: int
    command: str
    time: str
    classes: list[str]
    palette: list[list[int]]
    sets: list[ImageSet]
    environment: dict[str, str]


@dataclass(frozen=True)
class NetRecord:
    """What a validation says of one net.

    Attributes:
        confusion (list[list[int]]): Pixels (C, C), true class by prediction.
        bins (list[list[float]]): Predictions by confidence, see :func:`.measures.bins_of`.
        cross_entropy (float | None): Mean over the pixels that are in ``bins``.
        within (list[float | None]): Mean cosine of two features of each class, on the classifier's input.
        between (float | None): That of two features of two classes.
    """

    confusion: list[list[int]]
    bins: list[list[float]]
    cross_entropy: float | None = None
    within: list[float | None] = field(default_factory=list)
    between: float | None = None


@dataclass(frozen=True)
class MonitorRecord:
    """How good the pseudo-labels of a few unlabelled images are, whose masks are known.

    Attributes:
        images (int): Number of images.
        all (list[list[float]]): Pixels (C, C), true class by the teacher's label.
        kept (list[list[float]] | None): The same, each pixel with the weight that the selector gives it;
            None where it is not known.
    """

    images: int
    all: list[list[float]]
    kept: list[list[float]] | None = None


@dataclass(frozen=True)
class WorstImage:
    """A validation image on which the net does badly.

    Attributes:
        name (str): Its file name.
        iou (float): Mean IoU of the classes in it, in [0, 1].
        image (str): File of the picture, in the folder of the record.
        truth (str): File with the true classes over it.
        prediction (str): File with the predicted classes over it.
    """

    name: str
    iou: float
    image: str
    truth: str
    prediction: str


@dataclass(frozen=True)
class Validation:
    """What is kept of one validation.

    Attributes:
        iteration (int): Iterations that were done.
        metrics (dict[str, float]): Scores as the evaluator names them.
        nets (dict[str, NetRecord]): By ``'student'`` and ``'teacher'``; a plain model is a student.
        worst (list[WorstImage]): Images of the student, the worst first.
        monitor (MonitorRecord | None): Quality of pseudo-labels.
        host_memory (float | None): Most memory of the first process so far, without its workers, in MB.
    """

    iteration: int
    metrics: dict[str, float]
    nets: dict[str, NetRecord]
    worst: list[WorstImage] = field(default_factory=list)
    monitor: MonitorRecord | None = None
    host_memory: float | None = None


@dataclass(frozen=True)
class StepPictures:
    """Images of one training step as the nets saw them.

    Attributes:
        iteration (int): Number of the step.
        rows (list[tuple[str, list[tuple[str, str]]]]): For each image its title, and caption and file of
            its pictures.
    """

    iteration: int
    rows: list[tuple[str, list[tuple[str, str]]]]


def write_record(path: Path, record: Any) -> None:
    """Write a record; what is not a finite number becomes null.

    Args:
        path (Path): The file.
        record (Any): An instance of one of these classes.
    """
    write_file(path, json.dumps(_plain(asdict(record)), allow_nan=False))


def read_start(path: Path) -> Start:
    """Read what :func:`write_record` has written of a start.

    Args:
        path (Path): The file.
    """
    content = json.loads(path.read_text(encoding='utf-8'))
    return Start(**{**content, 'sets': [ImageSet(**each) for each in content['sets']]})


def read_validation(path: Path) -> Validation:
    """Read what :func:`write_record` has written of a validation.

    Args:
        path (Path): The file.
    """
    content = json.loads(path.read_text(encoding='utf-8'))
    monitor = content['monitor']
    return Validation(
        iteration=content['iteration'],
        metrics=content['metrics'],
        nets={name: NetRecord(**net) for name, net in content['nets'].items()},
        worst=[WorstImage(**each) for each in content['worst']],
        monitor=None if monitor is None else MonitorRecord(**monitor),
        host_memory=content.get('host_memory'),
    )


def read_pictures(path: Path) -> StepPictures:
    """Read what :func:`write_record` has written of the pictures of a step.

    Args:
        path (Path): The file.
    """
    content = json.loads(path.read_text(encoding='utf-8'))
    rows = [(title, [(caption, file) for caption, file in row]) for title, row in content['rows']]
    return StepPictures(content['iteration'], rows)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
