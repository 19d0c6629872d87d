"""Check that everything works on a card, and measure it: the steps of all methods, kernels, processes.

Without network and data. One check that fails does not end the rest. Writes a JSON file, anew after each
check, prints tables, and ends with exit code 1 if a check has failed.
"""

import argparse
import fnmatch
import sys
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from rich.console import Console

from mmseg_contrast.tooling.cli import one_sentence
from mmseg_contrast.tooling.gpu_check.all_checks import all_checks
from mmseg_contrast.tooling.gpu_check.check import FAILED, Check, Settings, run_checks
from mmseg_contrast.tooling.gpu_check.record import (
    card_name,
    file_name,
    make_record,
    read_record,
    write_record,
)
from mmseg_contrast.tooling.gpu_check.table import print_record
from mmseg_contrast.tooling.measure import at_least_one

EXAMPLE = """\
examples:
  bash tools/check_gpu.sh
  python tools/analysis_tools/check_gpu.py --only 'same/*' 'syncs/*'
  python tools/analysis_tools/check_gpu.py --only tiles --tune
  python tools/analysis_tools/check_gpu.py --show results/gpu/nvidia-h100-80gb-hbm3.json
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--dry', action='store_true', help='run on the CPU with sizes cut down; no figures'
    )
    parser.add_argument(
        '--only', nargs='+', metavar='PATTERN', help='checks by name, such as step/csc or same/*'
    )
    parser.add_argument(
        '--tune', action='store_true', help='also say which tile sizes of the kernels are fastest'
    )
    parser.add_argument(
        '--minutes', type=float, default=8.0, help='no check begins after them (default: 8)'
    )
    parser.add_argument('--repeats', type=at_least_one, default=5, help='timed runs (default: 5)')
    parser.add_argument(
        '--out',
        type=Path,
        help='file to write (default: results/gpu/CARD.json; dry: work_dirs/gpu/cpu.json)',
    )
    parser.add_argument('--list', action='store_true', help='print the names of the checks')
    parser.add_argument('--show', type=Path, metavar='FILE', help='print the tables of a file')
    return parser.parse_args(argv)


def chosen_checks(patterns: list[str] | None, tune: bool) -> list[Check]:
    """Return the checks whose names match.

    Raises:
        ValueError: If a pattern matches none.
    """
    checks = all_checks(tune)
    if patterns is None:
        return checks
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(check.name, pattern) for check in checks):
            hint = ' give --tune with it' if pattern == 'tiles' else ' --list prints all names'
            raise ValueError(f'--only {pattern}: there is no such check;{hint}')
    return [c for c in checks if any(fnmatch.fnmatchcase(c.name, p) for p in patterns)]


def main(argv: list[str] | None = None) -> None:
    """Make the checks, write the file, print the tables."""
    args = parse_args(argv)
    checks = chosen_checks(args.only, args.tune)
    if args.list:
        print('\n'.join(check.name for check in checks))
        return
    if args.show:
        print_record(read_record(args.show))
        return
    if not (args.dry or torch.cuda.is_available()):
        raise ValueError(
            f'torch {torch.__version__} sees no CUDA card: install a driver and a torch with CUDA, or give '
            '--dry to run the checks on the CPU'
        )
    settings = Settings('cpu' if args.dry else 'cuda', args.repeats, 60 * args.minutes)
    folder = Path('work_dirs/gpu') if args.dry else Path('results/gpu')
    out = args.out or folder / file_name(card_name(settings.device))
    console, outcomes = Console(), []
    MMLogger.get_current_instance().setLevel('ERROR')  # else each frozen weight is told
    # As the configs have it: the fastest algorithm for images of one size.
    torch.backends.cudnn.benchmark = True
    for outcome in run_checks(checks, settings):
        outcomes.append(outcome)
        write_record(out, make_record(settings, outcomes))
        console.print(f'{outcome.state}: {outcome.name}: {outcome.said}', markup=False)
    print_record(read_record(out))
    print(f'written to {out}')
    if any(outcome.state == FAILED for outcome in outcomes):
        sys.exit(1)


if __name__ == '__main__':
    with one_sentence(OSError, ValueError):
        main()
