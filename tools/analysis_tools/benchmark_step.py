"""Measure the training steps of configs side by side, and what contrast, teacher and selection add to them.

Time and peak memory of a step on random images of the size that the config trains on, after its burn-in
and its ramps and with full banks, optimiser included and data loading not. A semi-supervised step is also
measured without its contrast, and against the least that it needs; any step also with what --variant
changes. All are interleaved; times are medians.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config

from mmseg_contrast.tooling.cli import ChangesAction, one_sentence
from mmseg_contrast.tooling.measure import (
    add_measure_arguments,
    fix_conditions,
    measure_in_turns,
    report,
)
from mmseg_contrast.tooling.training_step import (
    TrainingStep,
    at_the_end,
    images_of_a_step,
    plain_step,
    random_batch,
    read_config,
    without_contrast,
)

EXAMPLE = """\
examples:
  OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_step.py \\
      configs/c3semiseg/c3semiseg_stdc1_camvid-semi-1by30-160x160.py --out step.csv
  OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_step.py \\
      configs/baselines/sup_stdc1_camvid-1by30-160x160.py \\
      configs/label_efficient/pretrain_stdc1_camvid-1by30-160x160.py
  OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_step.py \\
      configs/label_efficient/pretrain_stdc1_camvid-1by30-160x160.py \\
      --variant model.loss_size=[65,65] --variant model.loss_contrast.variant=batch
"""
WHOLE, NO_CONTRAST, PLAIN, AVERAGE = (
    'whole step',
    'without contrast',
    'student on the same images, teacher forward',
    "the teacher's average alone",
)


def make_forms(cfg: Config, batch: dict, device: str) -> dict[str, Callable[[], None]]:
    """Return what is measured of a config, by name.

    Args:
        cfg (Config): The config.
        batch (dict): As from :func:`random_batch`.
        device (str): Where it runs.
    """
    step = TrainingStep(cfg, batch, device)
    forms = {WHOLE: step.whole}
    bare = without_contrast(cfg)
    if step.ema is not None and bare is not None:
        bare = TrainingStep(bare, batch, device)
        forms |= {NO_CONTRAST: bare.whole, PLAIN: plain_step(bare), AVERAGE: step.average}
    return forms


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', help='configs')
    parser.add_argument(
        '--images',
        nargs=2,
        type=int,
        metavar=('LABELED', 'UNLABELED'),
        help="images of a step (default: each config's batch)",
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ChangesAction, default={}, help='changes of all configs'
    )
    parser.add_argument(
        '--variant',
        nargs='+',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='changes of all configs, measured beside what they change; may be given again',
    )
    add_measure_arguments(parser, repeats=10)
    args = parser.parse_args(argv)
    args.variant = {' '.join(pairs): parse_changes(pairs) for pairs in args.variant}
    return args


def parse_changes(pairs: list[str]) -> dict:
    """Read KEY=VALUE as ``--cfg-options`` reads it.

    Args:
        pairs (list[str]): The changes.
    """
    parser = argparse.ArgumentParser(usage='--variant KEY=VALUE ...')
    parser.add_argument('--variant', nargs='+', action=ChangesAction)
    return parser.parse_args(['--variant', *pairs]).variant


def main(argv: list[str] | None = None) -> None:
    """Measure, print the table, write the CSV."""
    args = parse_args(argv)
    conditions = fix_conditions(args.device, args.repeats)
    works = {}
    for path in args.configs:
        cfg = read_config(path, args.cfg_options)
        variants = {
            text: read_config(path, {**args.cfg_options, **changes})
            for text, changes in args.variant.items()
        }
        images = images_of_a_step(cfg, args.images)
        torch.manual_seed(0)
        batch = random_batch(cfg, *images)
        forms = at_the_end(cfg.train_cfg.max_iters, partial(make_forms, cfg, batch, args.device))
        for text, changed in variants.items():
            forms[text] = TrainingStep(changed, batch, args.device).whole
        name = f'{Path(path).stem}, {images[0]} + {images[1]} images'
        for form, work in forms.items():
            works[name, form] = partial(at_the_end, cfg.train_cfg.max_iters, work)
    for work in works.values():  # warm-up
        work()
    found = measure_in_turns(works, args.device, args.repeats)
    rows = []
    for (name, form), (milli, mega) in found.items():
        whole_ms, whole_mega = found[name, WHOLE]
        rows.append(
            {
                'config': name,
                'form': form,
                'ms': f'{milli:.1f}',
                'MiB': f'{mega:.1f}',
                'of the whole step': f'{milli / whole_ms:.3f}',
                'memory': f'{mega / whole_mega:.3f}',
            }
        )
    report(rows, conditions, 'ratios to the whole step of the config', args.out, num_texts=2)


if __name__ == '__main__':
    with one_sentence(KeyError, OSError, RuntimeError, TypeError, ValueError):
        main()
