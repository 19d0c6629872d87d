"""Measure each contrastive loss against its naive form: time and peak memory, forward and backward.

Selection and the update of a bank, which have no gradient, are measured likewise. The forms of a case are
interleaved; times are medians after a warm-up, with an allocator that keeps its blocks (as on a GPU). The
peak is that of the allocator, gradients included and inputs not. Forms that draw pixels draw the same ones.
"""

import argparse

import torch
from rich.progress import track

from mmseg_contrast.tooling.cli import one_sentence
from mmseg_contrast.tooling.loss_cases import CASES, SIZES, measure
from mmseg_contrast.tooling.measure import add_measure_arguments, fix_conditions, report

EXAMPLE = """\
examples:
  OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_losses.py --out losses.csv
  python tools/analysis_tools/benchmark_losses.py --cases batch hybrid --sizes large --repeats 3
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--cases', nargs='+', choices=CASES, default=list(CASES), help='losses')
    parser.add_argument(
        '--sizes', choices=SIZES, default='standard', help='tiny is for tests (default: standard)'
    )
    add_measure_arguments(parser, repeats=5)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure, print the table, write the CSV."""
    args = parse_args(argv)
    conditions = fix_conditions(args.device, args.repeats)
    torch.manual_seed(0)
    rows = []
    for key in track(args.cases, description='measuring', transient=True):
        for case in CASES[key](args.sizes, args.device):
            rows += measure(case, args.device, args.repeats)
    caption = 'ratios: the naive form, second of each case, to this one; higher is better'
    report(rows, conditions, caption, args.out, num_texts=2)


if __name__ == '__main__':
    with one_sentence(OSError, RuntimeError, ValueError):
        main()
