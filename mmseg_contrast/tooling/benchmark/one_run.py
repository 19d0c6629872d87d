"""Training and measuring one run of a benchmark."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from ...files import write_file
from ...run_folder import first_difference, locked, read_manifest, set_aside, write_manifest
from ...stack import installed_versions
from ..chain import LABELS, TRAINED, last_checkpoint, write_pseudo_labels
from ..compare import count_labeled
from ..comparison_runs import hash_code
from ..launch import RunTool
from .counts import iou_of, mean_iou, save_counts
from .plan import SINGLE, Run
from .results import (
    best_of,
    commit,
    coverage_of,
    device_name,
    labeled_per_step,
    logged,
    minutes_of,
    read_result,
    remove_result,
    result_path,
    scalars_table,
    write_result,
)
from .validation import Validation, validate

try:
    import resource
except ImportError:  # Windows
    resource = None

#: What a run's manifest holds beside what its result depends on.
_BESIDE = ('commits', 'code', 'memory_mib')


@dataclass(frozen=True)
class Folders:
    """Where a benchmark works.

    Attributes:
        work (Path): Holds the folders of the runs.
        results (Path): Holds their results.
    """

    work: Path
    results: Path

    def of(self, run: Run) -> Path:
        """Return the work folder of a run.

        Args:
            run (Run): The run.
        """
        return self.work / run.name

    def stage(self, run: Run, stage: str) -> Path:
        """Return the work folder of a stage: that of the run itself where there is only one.

        Args:
            run (Run): The run.
            stage (str): The stage.
        """
        return self.of(run) if stage == SINGLE else self.of(run) / stage

    def result(self, run: Run) -> Path:
        """Return the JSON file of a run's result.

        Args:
            run (Run): The run.
        """
        return result_path(self.results, run.name)


def is_finished(run: Run, folders: Folders) -> bool:
    """Tell whether a run needs no more work.

    Args:
        run (Run): The run.
        folders (Folders): Where its files are.
    """
    result = read_result(folders.result(run))
    return result is not None and result['config_hash'] == run.config_hash


def why_not(run: Run, folders: Folders) -> str | None:
    """Say why what is there is another run's, or return None where it is this one's.

    Args:
        run (Run): The run.
        folders (Folders): Where its files are.
    """
    result = read_result(folders.result(run))
    if result is not None:
        difference = first_difference(result['config'], run.manifest)
        return f'{result.path} is of another config: {difference}' if difference else None
    try:
        old = read_manifest(folders.of(run))
    except FileExistsError as error:
        return str(error)
    if old is None:
        return None
    difference = first_difference({k: v for k, v in old.items() if k not in _BESIDE}, run.manifest)
    return f'{folders.of(run)} was begun with another config: {difference}' if difference else None


def discard(run: Run, folders: Folders) -> None:
    """Set the work folder of a run aside, and delete its result.

    Args:
        run (Run): The run.
        folders (Folders): Where its files are.

    Raises:
        BlockingIOError: If another process is at work there.
    """
    folder = folders.of(run)
    if folder.is_dir():
        with locked(folder):
            print(f'{run.name}: the old run is now {set_aside(folder)}')
    remove_result(folders.result(run))


def complete(run: Run, folders: Folders, run_tool: RunTool, keep_checkpoints: bool = False) -> None:
    """Train a run, or go on where it was interrupted, measure it and write its result.

    Args:
        run (Run): The run.
        folders (Folders): Where its files are.
        run_tool (RunTool): Runs a tool.
        keep_checkpoints (bool): Whether checkpoints stay when the result is written. Defaults to
            False.

    Raises:
        BlockingIOError: If another process is at work on it.
        FileExistsError: If what is there is of another config.
        RuntimeError: If a training fails or ends without its last checkpoint.
    """
    folder = folders.of(run)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if problem := why_not(run, folders):
            raise FileExistsError(problem)
        if is_finished(run, folders):
            return
        beside = _begin(run, folder)
        for stage, cfg in run.configs.items():
            if stage == TRAINED[2]:
                _label(run, folders, run_tool)
            _train(run, stage, cfg, folders, run_tool)
        _note_memory(run, folder, beside)
        stages = [folders.stage(run, stage) for stage in run.configs]
        *_, (stage, cfg) = run.configs.items()
        validation = validate(cfg, last_checkpoint(stages[-1], cfg.train_cfg.max_iters))
        entries = logged(stages)
        path = folders.result(run)
        save_counts(path.with_suffix('.npz'), validation.counts)
        write_file(path.with_suffix('.csv'), scalars_table(entries))
        write_result(path, _values(run, validation, entries, beside))
        if not keep_checkpoints:
            for checkpoint in _checkpoints(stages):
                checkpoint.unlink()


def _begin(run: Run, folder: Path) -> dict[str, Any]:
    """Make the folder the run's own; return what is noted beside its config."""
    old = read_manifest(folder) or {}
    beside = {
        'commits': [*dict.fromkeys([*old.get('commits', []), commit()])],
        'code': hash_code(),
        'memory_mib': old.get('memory_mib', 0.0),
    }
    write_manifest(folder, {**run.manifest, **beside})
    for stage in run.configs:
        name = 'composed.py' if stage == SINGLE else f'composed_{stage}.py'
        write_file(folder / name, run.composition(stage, folder.absolute()))
    return beside


def _train(run: Run, stage: str, cfg: Config, folders: Folders, run_tool: RunTool) -> None:
    folder, iterations = folders.stage(run, stage), cfg.train_cfg.max_iters
    if last_checkpoint(folder, iterations) is not None:
        return
    cfg = copy.deepcopy(cfg)
    if stage in TRAINED[1:]:
        cfg.load_from = str(folders.of(run) / cfg.load_from)
    if stage in TRAINED[2:]:
        prefix = cfg.train_dataloader.dataset.datasets[1].data_prefix
        prefix.seg_map_path = str(folders.of(run) / prefix.seg_map_path)
    config = _config(run, stage, folders)
    write_file(config, cfg.pretty_text)
    run_tool('train.py', str(config), '--work-dir', str(folder), '--resume')
    if last_checkpoint(folder, iterations) is None:
        raise RuntimeError(f'{run.name} ended without a checkpoint of iteration {iterations}')


def _config(run: Run, stage: str, folders: Folders) -> Path:
    return folders.of(run) / ('config.py' if stage == SINGLE else f'config_{stage}.py')


def _label(run: Run, folders: Folders, run_tool: RunTool) -> None:
    """Let the net of the first half of a chain label the images that the second half adds."""
    stage, cfg = TRAINED[1], run.configs[TRAINED[1]]
    checkpoint = last_checkpoint(folders.stage(run, stage), cfg.train_cfg.max_iters)
    config, out = _config(run, stage, folders), folders.of(run) / LABELS
    write_pseudo_labels(config, checkpoint, run.configs[TRAINED[3]], out, run.rule, run_tool)


def _note_memory(run: Run, folder: Path, beside: dict[str, Any]) -> None:
    """Keep the most memory that a training has had resident, over interruptions too."""
    if resource is not None:
        # the trainings are the only large processes that this one has waited for
        mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        beside['memory_mib'] = max(beside['memory_mib'], mib)
        write_manifest(folder, {**run.manifest, **beside})


def _values(
    run: Run, validation: Validation, entries: list[dict[str, Any]], beside: dict[str, Any]
) -> dict[str, Any]:
    """Return the content of the JSON file."""
    on_gpu = torch.cuda.is_available()
    allocated = [entry['memory'] for entry in entries if 'memory' in entry]
    memory = max(allocated, default=0.0) if on_gpu else beside['memory_mib']
    first = next(iter(run.configs.values()))
    values = {
        'run': run.name,
        'data': run.data,
        'labels': run.labels,
        'net': run.net,
        'method': run.method,
        'seed': run.seed,
        'list': run.lists['labeled_list'],
        'labeled_images': count_labeled(first),
        'config_hash': run.config_hash,
        'commits': beside['commits'],
        'code': beside['code'],
        'device': device_name(),
        'versions': installed_versions(),
        'steps': run.steps,
        'labeled_images_seen': sum(
            labeled_per_step(cfg) * cfg.train_cfg.max_iters for cfg in run.configs.values()
        ),
        'minutes': round(minutes_of(entries), 2),
        'memory_mib': round(memory),
        'memory_of': 'GPU, allocated' if on_gpu else 'process, resident',
        'coverage': coverage_of(entries),
        'classes': validation.classes,
        'branch': validation.branch,
    }
    for branch, counts in validation.counts.items():
        areas = counts.areas().sum(0)
        last = float(mean_iou(areas))
        values[branch] = {
            'last': round(last, 4),
            'best': round(best_of(entries, branch, last), 4),
            'ece': round(validation.ece[branch], 4),
            # a class that occurs nowhere has none
            'iou': [None if each != each else round(float(each), 2) for each in iou_of(areas)],
        }
    return {**values, 'config': run.manifest}


def _checkpoints(stages: list[Path]) -> Iterator[Path]:
    for folder in stages:
        yield from folder.glob('*.pth')
        yield from folder.glob('last_checkpoint')
