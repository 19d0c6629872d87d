"""Train a segmentor on a CPU, one GPU, or, with a launcher, on many."""

import argparse
import pickle
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmseg_contrast.problem import SetupError
from mmseg_contrast.tooling.checkpoint import latest_checkpoint
from mmseg_contrast.tooling.cli import (
    add_common_arguments,
    check_data,
    check_weights,
    describe_training,
    load_config,
    one_sentence,
    require_keys,
)

EXAMPLE = """\
examples:
  python tools/train.py configs/c3semiseg/c3semiseg_mosaic.py
  python tools/train.py CONFIG --work-dir work_dirs/run1 --resume
  python tools/train.py CONFIG --cfg-options train_cfg.max_iters=2000 randomness.seed=1
  torchrun --nproc-per-node 4 tools/train.py CONFIG --launcher pytorch
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='path of the config')
    add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from this checkpoint or, without a path, from the latest in the work folder',
    )
    parser.add_argument(
        '--monitor',
        metavar='LIST',
        help='list of unlabelled images whose masks lie beside those of the labelled ones: the report says '
        'how good their pseudo-labels are, and no loss sees them',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision (GPU)')
    return parser.parse_args(argv)


def add_monitor(cfg: Config, path: str) -> None:
    """Let the report look at the pseudo-labels of some images.

    Raises:
        FileNotFoundError: If there is no such list.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no list --monitor {path}: give a text file of images')
    hooks = cfg.get('default_hooks') or {}
    report = {'type': 'ReportHook', **hooks.get('report', {}), 'monitor': path}
    cfg.default_hooks = {**hooks, 'report': report}


def build_runner(args: argparse.Namespace) -> Runner:
    """Build everything that training needs, so that what is wrong shows before it starts."""
    cfg = load_config(args)
    require_keys(cfg, 'model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    if args.resume == 'auto':
        # The runner would resume from `load_from` instead, which a fine-tuning only starts from.
        latest = latest_checkpoint(cfg.work_dir)
        cfg.resume = latest is not None
        cfg.load_from = latest or cfg.get('load_from')
    elif args.resume:
        cfg.resume, cfg.load_from = True, args.resume
    if args.amp:
        if get_device() == 'cpu':
            raise ValueError('--amp needs a GPU, and none is visible: leave it out')
        if cfg.optim_wrapper.type not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise ValueError(f'--amp cannot replace the optim_wrapper {cfg.optim_wrapper.type}')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.monitor:
        add_monitor(cfg, args.monitor)
    check_weights(cfg)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    # Properties of the runner that build the loops with their data sets.
    _ = runner.train_loop, runner.val_loop
    print_log(describe_training(cfg, runner.world_size, get_device()), logger='current')
    return runner


def resumed_at_the_end(runner: Runner) -> bool:
    """Tell whether all that was left of an interrupted run is its last validation."""
    begun = runner.cfg.get('load_from') if runner.cfg.get('resume') else None
    return (
        begun is not None
        and runner.val_loop is not None
        and Path(begun).name == f'iter_{runner.max_iters}.pth'
    )


def main() -> None:
    """Train."""
    args = parse_args()
    with one_sentence():
        runner = build_runner(args)
    with one_sentence(pickle.UnpicklingError, SetupError):
        runner.train()
        if resumed_at_the_end(runner):
            runner.val()


if __name__ == '__main__':
    main()
