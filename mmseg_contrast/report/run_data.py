"""All that is known of a run, read from its work folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..scalars import Curve, find_scalars, read_curves
from ..structures.step import BRANCHES
from . import records
from .measures import iou_of
from .records import Start, StepPictures, Validation


@dataclass
class RunData:
    """A run, as far as it has come.

    Attributes:
        name (str): Name of its work folder.
        folder (Path): The folder.
        curves (dict[str, Curve]): What was logged, by name.
        starts (list[Start]): Starts of the training that count, the first one first.
        validations (list[Validation]): What was kept of each validation, in order.
        pictures (list[tuple[Path, StepPictures]]): Steps that are shown, with the folder of their files.
        worst_folder (Path | None): Folder of the pictures of the last validation.
        config (str): Text of the config; empty where it is not there.
        written (str): When something was logged last.
    """

    name: str
    folder: Path
    curves: dict[str, Curve] = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    pictures: list[tuple[Path, StepPictures]] = field(default_factory=list)
    worst_folder: Path | None = None
    config: str = ''
    written: str = ''

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report."""
        return not self.curves and not self.starts

    @property
    def start(self) -> Start | None:
        """The last start."""
        return self.starts[-1] if self.starts else None

    @property
    def iteration(self) -> int:
        """Iterations that were logged or validated last."""
        logged = [curve[-1][0] for curve in self.curves.values()]
        return max([*logged, *(v.iteration for v in self.validations)], default=0)

    @property
    def max_iters(self) -> int:
        """Length of the whole training; 0 where it is not known."""
        return self.start.max_iters if self.start else 0

    @property
    def classes(self) -> list[str]:
        """Names of the classes; without records, those that were logged."""
        if self.start:
            return self.start.classes
        prefixes = ('unsup.share/', 'sup.share/', 'bank/fill/')
        for prefix in prefixes:
            names = [key.removeprefix(prefix) for key in self.curves if key.startswith(prefix)]
            if names:
                return names
        return []

    @property
    def is_semi(self) -> bool:
        """Whether the run has learnt from unlabelled images, or is going to."""
        return 'teacher' in self.scores or any(name.startswith('unsup.') for name in self.curves)

    @property
    def scores(self) -> dict[str, Curve]:
        """MIoU of each net in percent, by its name; a plain model is a student."""
        found = {net: self.curves.get(f'{net}/mIoU', []) for net in BRANCHES}
        found['student'] = found['student'] or self.curves.get('mIoU', [])
        return {net: curve for net, curve in found.items() if curve}

    def last(self, name: str) -> float | None:
        """Return the last value of what was logged under a name.

        Args:
            name (str): The name.
        """
        curve = self.curves.get(name)
        return curve[-1][1] if curve else None

    def by_class(self, name: str) -> list[float | None]:
        """Return the last values of what was logged for each class.

        Args:
            name (str): What comes before the slash.
        """
        return [self.last(f'{name}/{logged_name(label)}') for label in self.classes]

    def iou(self, net: str = 'student') -> np.ndarray | None:
        """Return the IoU of each class in the last validation, (C,), in [0, 1]; None if it is not known.

        Args:
            net (str): Name of the net.
        """
        if not self.validations or net not in self.validations[-1].nets:
            return None
        return iou_of(np.array(self.validations[-1].nets[net].confusion))


def without_images(run: RunData) -> RunData:
    """Return a run that shows no image, for images that may not be shown to others.

    Args:
        run (RunData): The run.
    """
    return replace(run, pictures=[], worst_folder=None)


def logged_name(label: str) -> str:
    """Return a class name as it is logged.

    Args:
        label (str): Name of the class.
    """
    return label.replace('/', '-')


def read_run(folder: Path, name: str | None = None) -> RunData:
    """Read a work folder, whatever of it is there.

    Args:
        folder (Path): Work folder; it may be empty, or that of a run that goes on.
        name (str, optional): What to call the run; the name of the folder by default.
    """
    logs = find_scalars(folder)
    run = RunData(name or folder.resolve().name, folder, read_curves(logs))
    for place in sorted(folder.glob(f'*/{records.FOLDER}')):
        _read_start(run, place)
    configs = sorted(folder.glob('*/vis_data/config.py')) or sorted(folder.glob('*.py'))
    if configs:
        run.config = configs[-1].read_text(encoding='utf-8', errors='replace')
    if logs:
        written = datetime.fromtimestamp(logs[-1].stat().st_mtime)
        run.written = written.isoformat(' ', 'minutes')
    return run


def _read_start(run: RunData, place: Path) -> None:
    start = _read(place / 'start.json', records.read_start)
    if start is None:
        return
    # As with the curves: what came after the iteration where a run goes on is not of it.
    run.starts = [each for each in run.starts if each.iteration < start.iteration] + [start]
    run.validations = [each for each in run.validations if each.iteration <= start.iteration]
    validations = [
        _read(path, records.read_validation) for path in sorted(place.glob('validation_*.json'))
    ]
    run.validations += sorted(
        (each for each in validations if each is not None), key=lambda each: each.iteration
    )
    run.worst_folder = place if any(validations) else run.worst_folder
    shown = [_read(path, records.read_pictures) for path in sorted(place.glob('step_*.json'))]
    if any(shown):
        run.pictures = [(place, each) for each in shown if each is not None]


def _read(path: Path, reader: Any) -> Any:
    # A record of another version, or one that somebody has cut, is as good as none.
    try:
        return reader(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def value_near(curve: Sequence[tuple[int, float]], step: int) -> float | None:
    """Return the last value up to a step.

    Args:
        curve (Sequence[tuple[int, float]]): Steps and values.
        step (int): The step.
    """
    values = [value for at, value in curve if at <= step and math.isfinite(value)]
    return values[-1] if values else None
