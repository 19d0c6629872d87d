"""Several runs side by side, with one display of the progress."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ...scalars import find_scalars
from .one_run import Folders, is_finished
from .plan import Run
from .results import read_result

#: Exit code of a run that another process works on.
BUSY = 75
#: Seconds between two looks at the runs, and before a run of another process is tried again.
LOOK, RETRY = 1.0, 20.0
_LAST_LINES = 15

#: Starts the process of a run: the run, its place among those that are side by side, and its log.
Start = Callable[[Run, int, Path], subprocess.Popen]


def starter(command: Sequence[str], gpus: int) -> Start:
    """Return what starts the process of a run.

    Each has one thread on a CPU; on GPUs each sees one of them, in turns.

    Args:
        command (Sequence[str]): The command, to which the name of the run is added.
        gpus (int): Number of GPUs that are visible.
    """
    visible = os.environ.get('CUDA_VISIBLE_DEVICES', ','.join(map(str, range(gpus)))).split(',')

    def start(run: Run, place: int, log: Path) -> subprocess.Popen:
        own = (
            {'CUDA_VISIBLE_DEVICES': visible[place % gpus]}
            if gpus
            else {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, 'ab') as file:
            return subprocess.Popen(
                [sys.executable, *command, run.name],
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    return start


def visible_gpus() -> int:
    """Return the number of GPUs that this process sees."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def log_of(run: Run, folders: Folders) -> Path:
    """Return the file that holds what the process of a run prints.

    Args:
        run (Run): The run.
        folders (Folders): Where its files are.
    """
    return folders.work / f'{run.name}.log'


def steps_done(run: Run, folders: Folders) -> int:
    """Return how many iterations of a run are done, by its logs.

    Args:
        run (Run): The run.
        folders (Folders): Where its files are.
    """
    done = 0
    for stage, cfg in run.configs.items():
        logs = find_scalars(folders.stage(run, stage))
        if not logs:
            break
        done += min(_last_step(logs[-1]), cfg.train_cfg.max_iters)
    return done


def _last_step(log: Path) -> int:
    with open(log, 'rb') as file:
        file.seek(max(0, os.path.getsize(log) - 20_000))
        lines = file.read().decode(errors='replace').splitlines()
    for line in reversed(lines):
        try:
            return json.loads(line)['step']
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    return 0


@dataclass
class Schedule:
    """Trains the runs of a benchmark, some at a time.

    Attributes:
        runs (Sequence[Run]): The runs that are not finished, in their order.
        folders (Folders): Where their files are.
        jobs (int): How many run side by side.
        start (Start): Starts the process of a run.
        console (Console): Where the progress is shown.
    """

    runs: Sequence[Run]
    folders: Folders
    jobs: int
    start: Start
    console: Console = field(default_factory=Console)

    def run(self) -> list[Run]:
        """Train all runs.

        Runs that another process works on come last, when it has left them.

        Returns:
            list[Run]: Those that failed; the end of their logs has been shown.
        """
        waiting = [(run, 0.0) for run in self.runs]
        active: dict[int, tuple[Run, subprocess.Popen]] = {}
        failed: list[Run] = []
        self._begin = time.time()
        self._steps = {run.name: run.steps for run in self.runs}
        self._at_begin = {run.name: steps_done(run, self.folders) for run in self.runs}
        self._done = dict(self._at_begin)
        with self._progress() as progress:
            total = progress.add_task('all runs', total=sum(self._steps.values()))
            bars: dict[str, int] = {}
            try:
                while waiting or active:
                    for place in range(self.jobs):
                        ready = [pair for pair in waiting if pair[1] <= time.time()]
                        if place in active or not ready:
                            continue
                        waiting.remove(ready[0])
                        run = ready[0][0]
                        if is_finished(run, self.folders):
                            self._finish(run, 'finished by another process')
                            continue
                        active[place] = run, self.start(run, place, log_of(run, self.folders))
                        bars[run.name] = progress.add_task(run.name, total=self._steps[run.name])
                    time.sleep(LOOK if active or waiting else 0)
                    for place, (run, process) in [*active.items()]:
                        code = process.poll()
                        self._done[run.name] = steps_done(run, self.folders)
                        progress.update(bars[run.name], completed=self._done[run.name])
                        if code is None:
                            continue
                        del active[place]
                        progress.remove_task(bars.pop(run.name))
                        if code == BUSY:
                            if not any(run is other for other, _ in waiting):
                                self._say(f'{run.name}: another process is at work on it')
                            waiting.append((run, time.time() + RETRY))
                        elif code or not is_finished(run, self.folders):
                            failed.append(run)
                            self._fail(run, code)
                        else:
                            self._finish(run, self._scores(run))
                    progress.update(
                        total,
                        completed=sum(self._done.values()),
                        description=f'all runs, {self._remaining()} left',
                    )
            finally:
                for _, process in active.values():
                    process.terminate()
                for _, process in active.values():
                    process.wait()
        return failed

    def _progress(self) -> Progress:
        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        return Progress(*columns, console=self.console, disable=not self.console.is_terminal)

    def _finish(self, run: Run, said: str) -> None:
        self._done[run.name] = self._steps[run.name]
        finished = sum(self._done[name] >= steps for name, steps in self._steps.items())
        self._say(
            f'{run.name}: {said}; {finished} of {len(self.runs)} runs, {self._remaining()} left'
        )

    def _scores(self, run: Run) -> str:
        result = read_result(self.folders.result(run))
        scores = [result.last(branch) for branch in ('student', 'teacher')]
        said = ' / '.join(f'{score:.2f}' for score in scores if score is not None)
        return f'mIoU {said}, {result["minutes"]:.1f} minutes'

    def _fail(self, run: Run, code: int) -> None:
        log = log_of(run, self.folders)
        lines = log.read_text(encoding='utf-8', errors='replace').splitlines()[-_LAST_LINES:]
        self._say(f'{run.name}: failed with code {code}; the end of {log}:')
        for line in lines:
            self._say(f'    {line}')

    def _remaining(self) -> str:
        """Say how long the rest takes at the pace so far."""
        done = sum(self._done.values()) - sum(self._at_begin.values())
        left = sum(self._steps.values()) - sum(self._done.values())
        if done <= 0:
            return 'an unknown time' if left else '0 minutes'
        minutes = (time.time() - self._begin) * left / done / 60
        return f'{minutes:.0f} minutes' if minutes < 90 else f'{minutes / 60:.1f} hours'

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
