"""Label images without masks by the confident predictions of a trained model.

Writes OUT/masks/*.png in the size of the images, 255 where no score is high enough, and a report. An
interrupted run goes on with the same command; the files of another run are never overwritten.
"""

import argparse
import os
import pickle
from pathlib import Path

import torch
from mmengine.device import get_device
from mmengine.dist import init_dist, is_main_process
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from mmseg_contrast.datasets.checks import SetupError
from mmseg_contrast.utils.checkpoint import read_checkpoint
from mmseg_contrast.utils.cli import add_common_arguments, load_config, one_sentence
from mmseg_contrast.utils.pseudo_label import (
    CSV_HEADER,
    DEFAULT_THRESHOLD,
    LabelRule,
    unlabeled_images,
    write_pseudo_labels,
)

EXAMPLE = """\
examples:
  python tools/pseudo_label.py CONFIG work_dirs/run1/iter_2000.pth --out pseudo \\
      --images data/camvid/images/train --list data_lists/camvid/camvid.0@1by8-unlabeled.txt
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo --tta --keep-ratio 0.5
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo \\
      --threshold 0.8 --class-threshold background=0.97
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo \\
      --cfg-options model.semi_test_cfg.predict_on=teacher
  torchrun --nproc-per-node 4 tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER \\
      --out pseudo --launcher pytorch
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='path of the config of the model')
    parser.add_argument('checkpoint', help='path of its checkpoint')
    parser.add_argument('--images', required=True, help='folder of the images')
    parser.add_argument('--list', default='', help='list of images in it (default: all)')
    parser.add_argument('--image-suffix', help='end of the file names, e.g. _leftImg8bit.png')
    parser.add_argument('--out', type=Path, required=True, help='folder for masks and report')
    parser.add_argument(
        '--threshold',
        type=float,
        default=DEFAULT_THRESHOLD,
        help='score to exceed (default: %(default)s)',
    )
    parser.add_argument(
        '--keep-ratio',
        type=float,
        help='lower the threshold of a class which fewer than this share of the pixels predicted as it '
        'exceed, to where this share does; predicts all images twice',
    )
    parser.add_argument(
        '--class-threshold',
        nargs='+',
        type=_named_number,
        default=[],
        metavar='CLASS=SCORE',
        help='thresholds of single classes, such as background=0.97',
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    add_common_arguments(parser)
    return parser.parse_args(argv)


def _named_number(text: str) -> tuple[str, float]:
    name, found, value = text.rpartition('=')
    if not found:
        raise argparse.ArgumentTypeError(f'{text} is not of the form CLASS=SCORE')
    return name, float(value)


def start_processes(args: argparse.Namespace) -> None:
    """Join the processes of a launcher, on CPUs too; the runner then divides the images."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    on_cpu = get_device() == 'cpu'
    if on_cpu and args.launcher == 'pytorch':
        # MMEngine's own start would look for a GPU.
        torch.distributed.init_process_group('gloo')
    elif on_cpu or args.launcher == 'none':
        return
    else:
        init_dist(args.launcher)
    args.launcher = 'none'


def main(argv: list[str] | None = None) -> None:
    """Label the images."""
    args = parse_args(argv)
    start_processes(args)
    with one_sentence():
        cfg = load_config(args)
        read_checkpoint(args.checkpoint)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        found = unlabeled_images(cfg, args.images, args.list, args.image_suffix)
        rule = LabelRule(args.threshold, dict(args.class_threshold), args.keep_ratio, args.tta)
        rule.thresholds(found['classes'])
    with one_sentence(SetupError, OSError, ValueError, AssertionError, pickle.UnpicklingError):
        report = write_pseudo_labels(
            cfg,
            args.checkpoint,
            found['images'],
            args.images,
            args.out,
            found['classes'],
            rule,
        )
    if is_main_process():
        table = Table(
            title=f'{report["images"]} images, {report["coverage"]:.1%} of the pixels kept'
        )
        for name in CSV_HEADER:
            table.add_column(name, justify='left' if name == 'class' else 'right')
        for name, row in report['classes'].items():
            numbers = [row['threshold'], row['predicted'], row['kept']]
            shares = [f'{row[key]:.1%}' for key in ('coverage', 'share')]
            table.add_row(name, *map(str, numbers), *shares)
        Console().print(table)
        print(f'masks: {args.out / "masks"}   report: {args.out / "report.json"}')


if __name__ == '__main__':
    main()
