"""Keeps what the report of a run needs, and writes it."""

from __future__ import annotations

import platform
import shlex
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import torch
from mmcv import imread
from mmengine.dataset import ConcatDataset
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...datasets.multi_source_dataset import images_per_branch
from ...files import write_file
from ...report.classifier_input import ClassifierInputs
from ...report.monitor import build_monitor, measure, shared_images
from ...report.page import NAME, write_page
from ...report.records import (
    FOLDER,
    ImageSet,
    MonitorRecord,
    Start,
    StepPictures,
    Validation,
    WorstImage,
    write_record,
)
from ...report.run_data import read_run
from ...report.step_view import StepView, paint
from ...report.validation_counts import Candidate, ValidationCounts, merge_counts, shrink
from ...stack import installed_versions
from ...version import __version__
from ..unwrap import unwrap

#: Seconds from one page to the next while a training goes on, at least.
PAUSE = 60.0
SET_NAMES = {'sup': 'labelled', 'source': 'labelled of another domain'}
JPEG_QUALITY = 85


@HOOKS.register_module()
class ReportHook(Hook):
    """Writes ``report.html`` into the work folder, at each validation and at the end of a training.

    Beside the logs, in the folder ``report``, it keeps what the page needs and no log has: confusions,
    calibration and the separation of the classes at each validation, the images on which the student does
    worst, and those of a training step as each net saw them. ``tools/report.py`` makes the page anew from
    there.

    It changes no number of the training: it draws nothing at random and leaves the model as it was. What
    goes wrong in it is a warning with the traceback in the log, and the training goes on. With several
    processes the first one writes, what is counted is that of all.

    Args:
        monitor (str | Mapping, optional): Unlabelled images whose masks are known, to see how good the
            pseudo-labels are at each validation; no loss sees them. A list in the folders of the labelled
            images, or changes of the validation data set, see :func:`.build_monitor`.
    """

    # After LoggerHook and CheckpointHook.
    priority = 'LOWEST'

    def __init__(self, monitor: str | Mapping[str, Any] | None = None) -> None:
        self._listed = monitor
        self._monitored: Any = None
        self._failed: set[str] = set()
        self._training = False
        self._written = -PAUSE
        self._view: StepView | None = None
        self._first_iter = 0
        self._inputs: ClassifierInputs | None = None
        self._counts: dict[str, ValidationCounts] = {}

    # ------------------------------------------------------------------ training

    def before_train(self, runner: Runner) -> None:
        """Keep how the training starts."""
        self._training, self._first_iter = True, runner.iter
        if is_main_process():
            with self._harmless(runner, 'the record of the start'):
                write_record(self._folder(runner) / 'start.json', _describe_start(runner))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Listen to a step that will be shown: the first one, and each before a validation."""
        if is_main_process() and self._is_shown(runner, batch_idx):
            with self._harmless(runner, 'the pictures of a step'):
                self._view = StepView(unwrap(runner.model))
                self._view.attach()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep the pictures of a step that is shown."""
        if self._view is None:
            return
        view, self._view = self._view, None
        with self._harmless(runner, 'the pictures of a step'):
            try:
                _, palette = _meta(runner.train_dataloader.dataset, runner)
                rows = view.rows(data_batch, palette)
                name = 'step_0_first' if runner.iter == self._first_iter else 'step_1_last'
                _write_step(self._folder(runner), name, runner.iter + 1, rows)
            finally:
                view.detach()

    def after_train(self, runner: Runner) -> None:
        """Write the page."""
        self._training = False
        self._write_page(runner)

    def _is_shown(self, runner: Runner, batch_idx: int) -> bool:
        if runner.iter == self._first_iter:
            return True
        if runner.val_loop is None:
            return runner.iter + 1 == runner.max_iters
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            return batch_idx + 1 == len(loop.dataloader)
        return (runner.iter + 1) % loop.val_interval == 0 or runner.iter + 1 == runner.max_iters

    # ------------------------------------------------------------------ validation

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin to count, and listen to the classifiers."""
        self._counts = {}
        with self._harmless(runner, 'the features of a validation'):
            model = unwrap(runner.model)
            nets = {'student': model}
            if hasattr(model, 'teacher'):
                nets['teacher'] = model.teacher
            self._inputs = ClassifierInputs(nets)
            self._inputs.attach()

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the images of a batch."""
        part = 'the counts of a validation'
        if part in self._failed:
            return
        with self._harmless(runner, part):
            net = getattr(unwrap(runner.model), 'predict_on', 'student')
            classes, _ = _meta(runner.val_dataloader.dataset, runner)
            counts = self._counts.setdefault(net, ValidationCounts(len(classes)))
            features = self._inputs.take(net) if self._inputs else None
            if features is None or len(features) != len(outputs):
                features = [None] * len(outputs)
            for sample, feature in zip(outputs, features):
                # A sampler gives all processes as many images, and some of them twice.
                place = counts.images * get_world_size() + get_rank()
                if place < len(runner.val_dataloader.dataset):
                    counts.add(sample, feature)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Keep what was counted, and write the page."""
        if self._inputs is not None:
            self._inputs.detach()
        counts, self._counts = self._counts, {}
        # Every process comes here, whatever has failed on it.
        parts = all_gather_object(counts)
        if not is_main_process():
            return
        with self._harmless(runner, 'the record of a validation'):
            self._write_validation(runner, merge_counts(parts), metrics or {})
        last = self._training and runner.iter >= runner.max_iters
        if not last and time.monotonic() - self._written >= PAUSE:
            self._write_page(runner)

    def _write_validation(
        self, runner: Runner, counts: dict[str, ValidationCounts], metrics: dict[str, float]
    ) -> None:
        folder = self._folder(runner)
        worst = []
        if counts:
            _, palette = _meta(runner.val_dataloader.dataset, runner)
            candidates = counts.get('student', next(iter(counts.values()))).worst
            worst = _write_worst(folder, candidates, palette)
        record = Validation(
            iteration=runner.iter,
            metrics={name: float(value) for name, value in metrics.items()},
            nets={net: each.record() for net, each in counts.items()},
            worst=worst,
            monitor=self._measure(runner),
            host_memory=_host_memory(),
        )
        write_record(folder / f'validation_{runner.iter:08d}.json', record)

    def _measure(self, runner: Runner) -> MonitorRecord | None:
        part = 'the monitored images'
        if not self._listed or part in self._failed:
            return None
        with self._harmless(runner, part):
            if self._monitored is None:
                self._monitored = build_monitor(runner.cfg, self._listed)
                shared = shared_images(self._monitored, runner.train_dataloader.dataset)
                if shared:
                    runner.logger.warning(
                        f'{len(shared)} of {len(self._monitored)} monitored images are labelled '
                        f'training images, such as {shared[0]}: what is said of their pseudo-labels is '
                        'too good; take them from the list.'
                    )
            classes, _ = _meta(runner.val_dataloader.dataset, runner)
            return measure(unwrap(runner.model), self._monitored, len(classes))
        return None

    # ------------------------------------------------------------------ the page

    def _write_page(self, runner: Runner) -> None:
        if not is_main_process():
            return
        with self._harmless(runner, 'the page'):
            folder = Path(runner.work_dir)
            run = read_run(folder)
            if not run.is_empty:
                write_page(folder / NAME, [run])
        self._written = time.monotonic()

    @staticmethod
    def _folder(runner: Runner) -> Path:
        return Path(runner.log_dir, FOLDER)

    @contextmanager
    def _harmless(self, runner: Runner, part: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # a report may fail in any way, and the training must go on
            if part not in self._failed:
                runner.logger.warning(
                    f'ReportHook: {part} failed, and the report goes without it; the training goes on.\n'
                    f'{traceback.format_exc()}'
                )
            self._failed.add(part)


def _describe_start(runner: Runner) -> Start:
    model = unwrap(runner.model)
    classes, palette = _meta(runner.train_dataloader.dataset, runner)
    return Start(
        iteration=runner.iter,
        max_iters=runner.max_iters,
        burn_in=int(getattr(model, 'burn_in', 0)),
        seed=int(runner.seed),
        processes=get_world_size(),
        command=shlex.join(['python', *sys.argv]),
        time=datetime.now().isoformat(' ', 'minutes'),
        classes=classes,
        palette=palette,
        sets=_describe_sets(runner.train_dataloader),
        environment={
            'Device': _device(),
            'System': f'{platform.system()} {platform.machine()}',
            'Python': platform.python_version(),
            'mmseg_contrast': __version__,
            **installed_versions(),
        },
    )


def _describe_sets(loader: Any) -> list[ImageSet]:
    counts = getattr(loader.sampler, 'counts', None)
    dataset, processes = loader.dataset, get_world_size()
    if counts is None or not isinstance(dataset, ConcatDataset):
        return [ImageSet('training', len(dataset), (loader.batch_size or 1) * processes)]
    sets = []
    for part, count in zip(dataset.datasets, counts):
        branches = images_per_branch(part)
        name = next((SET_NAMES[b] for b in branches if b in SET_NAMES), 'unlabelled')
        sets.append(ImageSet(name, len(part), count * processes))
    return sets


def _device() -> str:
    if torch.cuda.is_available():
        return f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}'
    return f'CPU, {torch.get_num_threads()} threads'


def _host_memory() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == 'darwin' else 1024  # bytes there, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _meta(dataset: Any, runner: Runner) -> tuple[list[str], list[list[int]]]:
    meta = getattr(dataset, 'metainfo', None) or {}
    classes = meta.get('classes')
    if not classes:
        classes = [str(i) for i in range(getattr(unwrap(runner.model), 'num_classes', 0))]
    palette = meta.get('palette')
    if not palette or len(palette) < len(classes):
        colors = matplotlib.colormaps['tab20'].colors
        palette = [[round(255 * v) for v in colors[i % 20]] for i in range(len(classes))]
    return [str(each) for each in classes], [[int(v) for v in color] for color in palette]


def _write_picture(path: Path, image: np.ndarray) -> str:
    bgr = np.ascontiguousarray(shrink(image)[..., ::-1])
    _, content = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    write_file(path, content.tobytes())
    return path.name


def _write_step(
    folder: Path,
    name: str,
    iteration: int,
    rows: Sequence[tuple[str, list[tuple[str, np.ndarray]]]],
) -> None:
    written = []
    for i, (title, pictures) in enumerate(rows):
        files = [
            (caption, _write_picture(folder / f'{name}_{i}_{j}.jpg', image))
            for j, (caption, image) in enumerate(pictures)
        ]
        written.append((title, files))
    write_record(folder / f'{name}.json', StepPictures(iteration, written))


def _write_worst(
    folder: Path, candidates: Sequence[Candidate], palette: Sequence[Sequence[int]]
) -> list[WorstImage]:
    colors = np.array(palette, np.uint8)
    worst = []
    for place, each in enumerate(candidates):
        height, width = each.truth.shape
        image = cv2.resize(
            imread(each.path, channel_order='rgb'), (width, height), interpolation=cv2.INTER_AREA
        )
        files = [
            _write_picture(folder / f'worst_{place}_{kind}.jpg', picture)
            for kind, picture in (
                ('image', image),
                ('truth', paint(image, each.truth, colors)),
                ('prediction', paint(image, each.prediction, colors)),
            )
        ]
        worst.append(WorstImage(Path(each.path).name, each.iou, *files))
    return worst
