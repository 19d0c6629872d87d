"""Pretrain, fine-tune, pseudo-label, and pretrain and fine-tune again on both sets, in one command.

CONFIG names the config of each stage (configs/label_efficient/chain_*.py). A finished stage is not
run again and an interrupted one goes on, so the same command can be given again at any time; it ends
with the same files.
"""

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmseg_contrast.utils.chain import read_chain, run_chain
from mmseg_contrast.utils.cli import ChangesAction, one_sentence
from mmseg_contrast.utils.launch import check_gpus, tool_runner

EXAMPLE = """\
examples:
  python tools/train_label_efficient.py configs/label_efficient/chain_mosaic.py
  python tools/train_label_efficient.py CONFIG --gpus 4 --cfg-options randomness.seed=1
  python tools/train_label_efficient.py CONFIG --work-dir work_dirs/without_distortion \\
      --pretrain-options model.distortion_prob=0
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='path of a chain config')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/ and the config name')
    parser.add_argument(
        '--gpus', type=_count, default=0, help='processes, one a GPU (default: one)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ChangesAction,
        default={},
        help='changes of the configs of all trained stages',
    )
    parser.add_argument(
        '--pretrain-options',
        nargs='+',
        action=ChangesAction,
        default={},
        help='changes of the configs of the two pretraining stages alone',
    )
    return parser.parse_args(argv)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f'{text} is no number of GPUs: give 1 or more')
    return int(text)


def main(argv: list[str] | None = None) -> None:
    """Run the chain."""
    args = parse_args(argv)
    check_gpus(args.gpus)
    # As Ctrl-C: what this process started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    chain = read_chain(args.config)
    work_dir = args.work_dir or Path('work_dirs') / args.config.stem
    results = run_chain(
        chain,
        work_dir,
        tool_runner(Path(__file__).parent, args.gpus),
        args.cfg_options,
        args.pretrain_options,
    )
    table = Table(title='mIoU (%) on val at the last iteration')
    table.add_column('after')
    table.add_column('mIoU', justify='right')
    table.add_row('pretraining and fine-tuning on labels', f'{results["finetune"]:.2f}')
    table.add_row('the same with pseudo-labels', f'{results["semi_finetune"]:.2f}')
    Console().print(table)
    print(f'all stages: {work_dir}')


if __name__ == '__main__':
    with one_sentence(RuntimeError, OSError, ValueError, KeyError):
        main()
