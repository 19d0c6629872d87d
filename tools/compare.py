"""Train several configs on the same data, then print one table and draw their predictions.

Runs one after the other, each in its own folder. A finished run is not trained again and an
interrupted one goes on, so the same command can be given again at any time. The first config is the
baseline of the gains.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from mmcv import imread
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import track_iter_progress
from mmseg.apis import inference_model, init_model
from rich.console import Console
from rich.table import Table

from mmseg_contrast.datasets.files import write_file
from mmseg_contrast.utils.cli import ChangesAction, one_sentence
from mmseg_contrast.utils.compare import (
    HEADER,
    RunResult,
    count_labeled,
    read_result,
    tabulate,
    to_markdown,
)
from mmseg_contrast.visualization import draw_grid, overlay

EXAMPLE = """\
examples:
  python tools/compare.py configs/baselines/sup_mosaic.py configs/c3semiseg/c3semiseg_mosaic.py
  python tools/compare.py SUPERVISED METHOD CEILING --seeds 0 1 2 --work-dir work_dirs/camvid
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', type=Path, help='configs; the baseline first')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds (default: 0)')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/compare'), help='folder for all of it'
    )
    parser.add_argument('--num-images', type=int, default=4, help='rows of the picture')
    parser.add_argument(
        '--hide-images',
        action='store_true',
        help='draw class colours alone, for images that may not be shown to others',
    )
    parser.add_argument(
        '--no-train', action='store_true', help='only read what has been trained already'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ChangesAction, default={}, help='changes of all configs'
    )
    return parser.parse_args(argv)


def train(config: Path, folder: Path, seed: int, options: dict) -> None:
    """Train a config, or go on where it was interrupted, in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name('train.py')), str(config)]
    command += ['--work-dir', str(folder), '--resume', '--cfg-options', f'randomness.seed={seed}']
    command += [f'{key}={value}' for key, value in options.items()]
    if subprocess.run(command, check=False).returncode != 0:
        raise RuntimeError(f'training {config.name} with seed {seed} failed: see the message above')


def last_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that a run wrote last."""
    return Path((folder / 'last_checkpoint').read_text(encoding='utf-8').strip())


def draw_predictions(
    folders: dict[str, Path], cfg: Config, num: int, out: Path, hide_images: bool
) -> None:
    """Draw validation images, their truth, and the prediction of each run."""
    dataset = Runner.build_dataloader(
        {**cfg.val_dataloader, 'num_workers': 0, 'persistent_workers': False}
    ).dataset
    picks = np.linspace(0, len(dataset) - 1, num + 2).round().astype(int)[1:-1]
    load = Compose([dict(type='LoadAnnotations')])
    infos = [dataset.get_data_info(int(i)) for i in picks]
    truths = [load(info)['gt_seg_map'] for info in infos]
    images = [imread(info['img_path'], channel_order='rgb') for info in infos]
    palette = np.array(dataset.metainfo['palette'], np.uint8)
    opacity = 1.0 if hide_images else 0.65

    def paint(labels: list[np.ndarray]) -> list[np.ndarray]:
        return [overlay(*pair, palette, opacity) for pair in zip(images, labels)]

    columns = {} if hide_images else {'image': images}
    columns['truth'] = paint(truths)
    for name, folder in track_iter_progress(list(folders.items())):
        run_cfg = next(folder.glob('*.py'))
        model = init_model(str(run_cfg), str(last_checkpoint(folder)), device='cpu')
        predicted = [
            inference_model(model, info['img_path']).pred_sem_seg.data[0].numpy() for info in infos
        ]
        columns[name] = paint(predicted)
    write_file(out, draw_grid(columns, dataset.metainfo['classes'], palette))


def main(argv: list[str] | None = None) -> None:
    """Train, compare and draw."""
    args = parse_args(argv)
    start = time.time()
    cfgs = {path.stem: Config.fromfile(path) for path in args.configs}
    init_default_scope('mmseg')
    results: list[RunResult] = []
    folders: dict[str, Path] = {}
    for path in args.configs:
        cfg = cfgs[path.stem]
        cfg.merge_from_dict(args.cfg_options)
        for seed in args.seeds:
            folder = args.work_dir / path.stem / f'seed{seed}'
            iteration = cfg.train_cfg.max_iters
            result = read_result(folder, path.stem, seed, iteration)
            if result is None and not args.no_train:
                print(f'training {path.stem}, seed {seed}', flush=True)
                train(path, folder, seed, args.cfg_options)
                result = read_result(folder, path.stem, seed, iteration)
            if result is not None:
                results.append(result)
                folders.setdefault(path.stem, folder)
    if not results:
        raise FileNotFoundError(f'no finished run in {args.work_dir}: leave out --no-train')

    names = [path.stem for path in args.configs]
    rows = tabulate(results, {name: count_labeled(cfg) for name, cfg in cfgs.items()}, names)
    table = Table(title='mIoU (%) on val at the last iteration')
    for name in HEADER:
        # names of configs may be long, numbers must stay whole
        table.add_column(name, no_wrap=name != 'config', overflow='fold')
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    write_file(args.work_dir / 'table.md', to_markdown(rows))
    scores = [{**vars(result), 'scores': dict(result.scores)} for result in results]
    write_file(args.work_dir / 'results.json', json.dumps(scores, indent=2) + '\n')
    picture = args.work_dir / 'predictions.png'
    draw_predictions(folders, cfgs[names[0]], args.num_images, picture, args.hide_images)
    print(
        f'\npicture: {picture}   table: {args.work_dir / "table.md"}   {time.time() - start:.0f} s'
    )


if __name__ == '__main__':
    with one_sentence(RuntimeError, OSError, ValueError):
        main()
