"""Train several configs on the same data, then print one table and draw their predictions.

Runs one after the other, each in its own folder. A finished run is not trained again and an
interrupted one goes on, so the same command can be given again at any time: what is found of another
config or of other data is refused. The first config is the baseline of the gains. Each call writes
table.md, results.json, report.html and predictions.png anew.
"""

import argparse
import copy
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import imread
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.utils import track_iter_progress
from mmseg.apis import inference_model, init_model
from mmseg.registry import DATASETS
from rich.console import Console
from rich.table import Table

from mmseg_contrast.files import write_file
from mmseg_contrast.report.page import NAME, write_page
from mmseg_contrast.report.run_data import read_run, without_images
from mmseg_contrast.run_folder import locked, set_aside, write_manifest
from mmseg_contrast.tooling.checkpoint import latest_checkpoint
from mmseg_contrast.tooling.cli import ChangesAction, check_data, leaf_datasets, one_sentence
from mmseg_contrast.tooling.compare import (
    HEADER,
    RunResult,
    count_labeled,
    read_result,
    tabulate,
    to_markdown,
)
from mmseg_contrast.tooling.comparison_runs import (
    CODE,
    Run,
    describe,
    hash_code,
    is_of_other_code,
    short_names,
    why_not,
    with_fold,
)
from mmseg_contrast.tooling.launch import RunTool, check_gpus, tool_runner
from mmseg_contrast.tooling.overrides import read_config, refuse
from mmseg_contrast.tooling.package_files import find_config
from mmseg_contrast.visualization import draw_grid, overlay

EXAMPLE = """\
examples:
  python tools/compare.py configs/baselines/sup_mosaic.py configs/c3semiseg/c3semiseg_mosaic.py
  python tools/compare.py SUPERVISED METHOD CEILING --seeds 0 1 2 --work-dir work_dirs/camvid
  python tools/compare.py SUPERVISED METHOD --folds 0 1 2 --gpus 4
"""
SET_HERE = {
    'randomness.seed': 'give --seeds',
    'work_dir': 'give --work-dir',
    'resume': 'an interrupted run goes on by itself',
    'launcher': 'give --gpus',
}
LOADERS = ('train_dataloader', 'val_dataloader')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', type=Path, help='configs; the baseline first')
    parser.add_argument('--seeds', nargs='+', type=_number, default=[0], help='seeds (default: 0)')
    parser.add_argument(
        '--folds',
        nargs='+',
        type=_number,
        default=[None],
        help='train on the label lists of these folds, NAME.FOLD@1by8.txt (default: the lists that the '
        'configs name); each with every seed',
    )
    parser.add_argument(
        '--gpus', type=_number, default=0, help='GPUs of each training (default: one process)'
    )
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/compare'), help='folder for all of it'
    )
    parser.add_argument('--num-images', type=_positive, default=4, help='rows of the picture')
    parser.add_argument(
        '--hide-images',
        action='store_true',
        help='draw class colours alone and leave pictures out of the report, for images that may not be '
        'shown to others',
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--no-train', action='store_true', help='only read what has been trained already'
    )
    what.add_argument(
        '--retrain',
        action='store_true',
        help='train again what is there of another config, other data or other code; the old folder is '
        'renamed to NAME.old1',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ChangesAction, default={}, help='changes of all configs'
    )
    return parser.parse_args(argv)


def _number(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f'{text} is no number: give 0, 1, 2 ...')
    return int(text)


def _positive(text: str) -> int:
    if _number(text) == 0:
        raise argparse.ArgumentTypeError('0 images are no picture: give 1 or more')
    return int(text)


def read_configs(paths: Sequence[Path], changes: Mapping[str, Any]) -> dict[Path, Config]:
    """Read the configs, each once, by absolute path.

    Args:
        paths (Sequence[Path]): The files.
        changes (Mapping[str, Any]): Changes of all configs, by dotted key.

    Raises:
        FileNotFoundError: If a file is not there.
        KeyError: If nothing reads a changed key.
        ValueError: If a change does nothing, or a config does not train for a number of iterations
            with a validation.
    """
    refuse(changes, SET_HERE, '--cfg-options')
    cfgs: dict[Path, Config] = {}
    for given in paths:
        path = Path(os.path.abspath(find_config(given)))
        cfg = read_config(path, changes)
        # A link from another folder may have other bases.
        if any(path.samefile(other) and cfg.to_dict() == cfgs[other].to_dict() for other in cfgs):
            print(f'{given} is given twice: it has one row')
            continue
        missing = [key for key in ('model', *LOADERS, 'train_cfg') if not cfg.get(key)]
        if missing or 'max_iters' not in cfg.train_cfg:
            raise ValueError(
                f'{given} has no {", ".join(missing) or "train_cfg.max_iters"}: give a config of '
                'MMSegmentation that trains by iterations and validates'
            )
        cfgs[path] = cfg
    return cfgs


def plan(cfgs: Mapping[Path, Config], args: argparse.Namespace) -> list[Run]:
    """Return all runs of the comparison, in the order of the rows.

    Args:
        cfgs (Mapping[Path, Config]): Configs by absolute path.
        args (argparse.Namespace): Seeds, folds, GPUs and work folder.

    Raises:
        FileNotFoundError: If a list, a folder or an image is not there.
        ValueError: If a config has no folds.
    """
    runs = []
    names, folders = short_names([*cfgs]), short_names([*cfgs], parts=2)
    for cfg, name, place in zip(cfgs.values(), names, folders):
        for fold in dict.fromkeys(args.folds):
            own = cfg if fold is None else with_fold(cfg, fold, name)
            check_data(own, LOADERS)
            for seed in dict.fromkeys(args.seeds):
                seeded = copy.deepcopy(own)
                seeded.merge_from_dict({'randomness.seed': seed})
                folder = (
                    args.work_dir
                    / place
                    / (f'seed{seed}' if fold is None else f'fold{fold}-seed{seed}')
                )
                manifest = describe(seeded, max(args.gpus, 1))
                runs.append(Run(name, seed, fold, seeded, folder, manifest))
    return runs


def check_runs(runs: Sequence[Run], retrain: bool) -> list[str]:
    """Refuse what is there of another run, or set it aside.

    Args:
        runs (Sequence[Run]): The runs.
        retrain (bool): Whether to set aside what is of another config, other data or other code.

    Returns:
        list[str]: A line for each run that other code has begun.

    Raises:
        FileExistsError: If a folder belongs to another run.
    """
    notes = []
    for run in runs:
        problem = why_not(run)
        other_code = not problem and is_of_other_code(run)
        if retrain and (problem or other_code):
            print(f'{run}: the old run is now {set_aside(run.folder)}')
        elif problem:
            raise FileExistsError(
                f'{problem}; choose another --work-dir, or give --retrain to train it again'
            )
        elif other_code:
            notes.append(
                f'{run} was trained, at least in part, by another version of mmseg_contrast: '
                '--retrain trains it again'
            )
    return notes


def train(run: Run, run_tool: RunTool) -> None:
    """Train, or go on where the run was interrupted.

    Args:
        run (Run): The run.
        run_tool (RunTool): Runs a tool.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run.folder):
        if why_not(run):
            raise FileExistsError(f'{run.folder} was taken by another run: give the command again')
        if not latest_checkpoint(run.folder):
            write_manifest(run.folder, {**run.manifest, CODE: hash_code()})
        write_file(run.config, run.cfg.pretty_text)
        print(f'training {run}', flush=True)
        run_tool('train.py', str(run.config), '--work-dir', str(run.folder), '--resume')


def result_of(run: Run) -> RunResult | None:
    """Return what a run gave, or None where it has not ended.

    Args:
        run (Run): The run.
    """
    return read_result(run.folder, run.name, run.seed, run.iterations, run.fold)


@dataclass(frozen=True)
class Canvas:
    """What predictions are drawn on.

    Attributes:
        paths (Sequence[str]): Files of the images.
        images (Sequence[np.ndarray]): RGB images, uint8 (H, W, 3).
        truths (Sequence[np.ndarray]): Their true classes, (H, W).
        classes (Sequence[str]): Names of the classes.
        palette (np.ndarray): Their RGB colours, uint8 (C, 3).
        opacity (float): Share of the colours in what is drawn.
    """

    paths: Sequence[str]
    images: Sequence[np.ndarray]
    truths: Sequence[np.ndarray]
    classes: Sequence[str]
    palette: np.ndarray
    opacity: float

    def paint(self, labels: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Lay classes over the images.

        Args:
            labels (Sequence[np.ndarray]): Classes of each image, (H, W).
        """
        pairs = zip(self.images, labels, strict=True)
        return [overlay(image, each, self.palette, self.opacity) for image, each in pairs]


def read_canvas(cfg: Config, num: int, hide_images: bool) -> Canvas:
    """Read the validation images that are drawn, so that what is wrong shows before any training.

    Args:
        cfg (Config): Gives the validation data.
        num (int): Number of images.
        hide_images (bool): Whether to draw class colours alone.

    Raises:
        ValueError: If the data set has no classes or colours, or an image and its mask differ in size.
    """
    dataset = DATASETS.build({**cfg.val_dataloader.dataset, 'serialize_data': False})
    classes, palette = (dataset.metainfo.get(key) for key in ('classes', 'palette'))
    if not classes or not palette:
        raise ValueError(
            f'{type(dataset).__name__} of val_dataloader has no classes or no palette, which the '
            'picture needs: give them in its metainfo'
        )
    picks = np.linspace(0, len(dataset) - 1, num + 2).round().astype(int)[1:-1]
    infos = [dataset.get_data_info(int(i)) for i in picks]
    load = Compose([dict(type='LoadAnnotations')])
    images = [imread(info['img_path'], channel_order='rgb') for info in infos]
    truths = [load(info)['gt_seg_map'] for info in infos]
    for info, image, truth in zip(infos, images, truths):
        if image.shape[:2] != truth.shape:
            raise ValueError(
                f'{info["seg_map_path"]} is {_size(truth)}, but its image {_size(image)}: give it the '
                'size of the image'
            )
    opacity = 1.0 if hide_images else 0.65
    paths = [info['img_path'] for info in infos]
    return Canvas(paths, images, truths, classes, np.array(palette, np.uint8), opacity)


def _size(image: np.ndarray) -> str:
    return f'{image.shape[0]} x {image.shape[1]}'


def predict(run: Run, checkpoint: str, paths: Sequence[str]) -> list[np.ndarray]:
    """Return the classes that a run's net sees.

    Args:
        run (Run): The run.
        checkpoint (str): Its checkpoint.
        paths (Sequence[str]): Files of the images.

    Returns:
        list[np.ndarray]: Classes of each image, (H, W).
    """
    cfg = copy.deepcopy(run.cfg)
    # `inference_model` reads this variable, which a config need not have.
    cfg.test_pipeline = next(leaf_datasets(cfg.val_dataloader.dataset)).pipeline
    model = init_model(cfg, checkpoint, device='cpu')
    return [inference_model(model, path).pred_sem_seg.data[0].numpy() for path in paths]


def main(argv: list[str] | None = None) -> None:
    """Train, compare and draw."""
    args = parse_args(argv)
    start = time.time()
    # As Ctrl-C: what this process started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with one_sentence():
        check_gpus(args.gpus)
        cfgs = read_configs(args.configs, args.cfg_options)
        init_default_scope('mmseg')
        runs = plan(cfgs, args)
        canvas = read_canvas(runs[0].cfg, args.num_images, args.hide_images)
        args.work_dir.mkdir(parents=True, exist_ok=True)
        notes = check_runs(runs, args.retrain)
    with one_sentence(RuntimeError, OSError, ValueError):
        compare(runs, canvas, args, notes)
    print(f'{time.time() - start:.0f} s')


def compare(
    runs: Sequence[Run], canvas: Canvas, args: argparse.Namespace, notes: Sequence[str]
) -> None:
    """Train what is not trained, print and write the table, draw.

    Args:
        runs (Sequence[Run]): The runs.
        canvas (Canvas): What predictions are drawn on.
        args (argparse.Namespace): The command line.
        notes (Sequence[str]): What is said below the table.

    Raises:
        FileNotFoundError: If nothing is trained and nothing is to be trained.
        RuntimeError: If a training fails or ends without a validation.
    """
    run_tool = tool_runner(Path(__file__).parent, args.gpus)
    results: list[RunResult] = []
    drawn: dict[str, Run] = {}
    for run in runs:
        result = result_of(run)
        if result is None and not args.no_train:
            train(run, run_tool)
            result = result_of(run)
            if result is None:
                raise RuntimeError(
                    f'{run} ended without a validation at iteration {run.iterations}: see the logs '
                    f'in {run.folder}'
                )
        if result is not None:
            results.append(result)
            drawn.setdefault(run.name, run)
    if not results:
        raise FileNotFoundError(f'no finished run in {args.work_dir}: leave out --no-train')

    names = [*dict.fromkeys(run.name for run in runs)]
    labels = {run.name: count_labeled(run.cfg) for run in reversed(runs)}
    rows = tabulate(results, labels, names)
    table = Table(title='mIoU (%) on val: mean ± sample standard deviation (gain)')
    for name in HEADER:
        # names of configs may be long, numbers must stay whole
        table.add_column(name, no_wrap=name != 'config', overflow='fold')
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    for note in notes:
        print(f'note: {note}')
    write_file(
        args.work_dir / 'table.md', to_markdown(rows) + ''.join(f'\n{note}\n' for note in notes)
    )
    scores = [vars(result) for result in results]
    write_file(args.work_dir / 'results.json', json.dumps(scores, indent=2) + '\n')

    page = args.work_dir / NAME
    write_report(page, drawn, names[0], args.hide_images)
    columns = {} if args.hide_images else {'image': canvas.images}
    columns['truth'] = canvas.paint(canvas.truths)
    for name, run in track_iter_progress([*drawn.items()]):
        checkpoint = latest_checkpoint(run.folder)
        if checkpoint is None:
            print(f'\n{run} has no checkpoint any more: it is not drawn')
            continue
        columns[name] = canvas.paint(predict(run, checkpoint, canvas.paths))
    picture = args.work_dir / 'predictions.png'
    write_file(picture, draw_grid(columns, canvas.classes, canvas.palette))
    print(f'\nreport: {page}   picture: {picture}   table: {args.work_dir / "table.md"}')


def write_report(path: Path, runs: Mapping[str, Run], baseline: str, hide_images: bool) -> None:
    """Write one page of a run of each config.

    Args:
        path (Path): The HTML file.
        runs (Mapping[str, Run]): The runs by the name of their config.
        baseline (str): Name of the config that gains are over.
        hide_images (bool): Whether to leave out pictures.
    """
    shown = [read_run(run.folder, name) for name, run in runs.items()]
    if hide_images:
        shown = [without_images(run) for run in shown]
    write_page(path, shown, next((run for run in shown if run.name == baseline), None))


if __name__ == '__main__':
    main()
