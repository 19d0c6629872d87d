"""Label images without masks by the confident predictions of a trained model.

Writes OUT/masks/*.png in the size of the images, 255 where no score is high enough, and a report. An
interrupted run goes on with the same command; the files of another run are never overwritten.
"""

import argparse
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.device import get_device
from mmengine.dist import init_dist, is_main_process
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from mmseg_contrast.problem import SetupError
from mmseg_contrast.pseudo_labels.generate import write_pseudo_labels
from mmseg_contrast.pseudo_labels.label_rule import DEFAULT_THRESHOLD, LabelRule
from mmseg_contrast.pseudo_labels.precision import true_masks, write_precision
from mmseg_contrast.pseudo_labels.predict import unlabeled_images
from mmseg_contrast.tooling.checkpoint import read_checkpoint
from mmseg_contrast.tooling.cli import add_common_arguments, load_config, one_sentence, require_keys
from mmseg_contrast.tooling.launch import join_on_cpus
from mmseg_contrast.tooling.overrides import refuse

EXAMPLE = """\
examples:
  python tools/pseudo_label.py CONFIG work_dirs/run1/iter_2000.pth --out pseudo \\
      --images data/camvid/images/train --list data_lists/camvid/camvid.0@1by8-unlabeled.txt
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo --tta --keep-ratio 0.5
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo \\
      --threshold 0.8 --class-threshold background=0.97
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo \\
      --cfg-options model.semi_test_cfg.predict_on=teacher
  python tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER --out pseudo \\
      --masks data/camvid/annotations/train
  torchrun --nproc-per-node 4 tools/pseudo_label.py CONFIG CHECKPOINT --images FOLDER \\
      --out pseudo --launcher pytorch
"""


SET_HERE = {
    'load_from': 'give CHECKPOINT',
    'resume': 'it goes on with what was interrupted by itself',
    'work_dir': 'its log is in OUT/logs',
    'custom_hooks': 'leave it out',
    'test_evaluator': 'leave it out',
    'test_cfg': 'leave it out',
    'test_dataloader.sampler': 'leave it out',
    'test_dataloader.dataset.ann_file': 'give --list',
    'test_dataloader.dataset.data_prefix': 'give --images',
    'test_dataloader.dataset.img_suffix': 'give --image-suffix',
    'tta_model': 'leave it out',
}


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
    parser.add_argument(
        '--masks',
        help='folder of true masks of all these images, if there are any: says how many labels are right; '
        'the same command with it does so for labels that are there',
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    add_common_arguments(parser)
    args = parser.parse_args(argv)
    if args.work_dir:
        parser.error('--work-dir: the log is in OUT/logs; leave it out')
    return args


def _named_number(text: str) -> tuple[str, float]:
    name, found, value = text.rpartition('=')
    if not found:
        raise argparse.ArgumentTypeError(f'{text} is not of the form CLASS=SCORE')
    return name, float(value)


def start_processes(args: argparse.Namespace) -> None:
    """Join the processes of a launcher, on CPUs too; the runner then divides the images."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    on_cpu = get_device() == 'cpu'
    if args.launcher == 'none':
        return
    if on_cpu:
        join_on_cpus(args.launcher)
    else:
        init_dist(args.launcher)
    args.launcher = 'none'


def main(argv: list[str] | None = None) -> None:
    """Label the images."""
    args = parse_args(argv)
    start_processes(args)
    with one_sentence():
        refuse(args.cfg_options or {}, SET_HERE, '--cfg-options')
        if args.tta:
            remedy = 'with --tta change tta_pipeline'
            refuse(
                args.cfg_options or {},
                {'test_dataloader.dataset.pipeline': remedy},
                '--cfg-options',
            )
        cfg = load_config(args)
        require_keys(cfg, 'model', 'test_dataloader')
        read_checkpoint(args.checkpoint)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        found = unlabeled_images(cfg, args.images, args.list, args.image_suffix)
        rule = LabelRule(args.threshold, dict(args.class_threshold), args.keep_ratio, args.tta)
        rule.thresholds(found['classes'])
        truth = true_masks(cfg, args.masks, found['images'].values()) if args.masks else None
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
        title = f'{report["images"]} images, {report["coverage"]:.1%} of the pixels kept'
        print_table(title, report['classes'])
        print(f'masks: {args.out / "masks"}   report: {args.out / "report.json"}')
        if truth:
            with one_sentence(OSError, ValueError):
                rows = write_precision(cfg, args.out, truth, found['classes'])
            print_table('of the pixels kept, by the true masks', rows)


def print_table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print numbers by class; fractions are shares, except for a threshold."""
    columns = list(next(iter(rows.values())))
    table = Table(title=title)
    table.add_column('class')
    for column in columns:
        table.add_column(column, justify='right')
    for name, row in rows.items():
        share = {c for c in columns if isinstance(row[c], float) and c != 'threshold'}
        table.add_row(name, *(f'{row[c]:.1%}' if c in share else str(row[c]) for c in columns))
    Console().print(table)


if __name__ == '__main__':
    main()
