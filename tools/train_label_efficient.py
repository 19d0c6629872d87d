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

from mmseg_contrast.tooling.chain import Request, read_chain, run_chain
from mmseg_contrast.tooling.cli import ChangesAction, one_sentence
from mmseg_contrast.tooling.launch import check_gpus, tool_runner

EXAMPLE = """\
examples:
  python tools/train_label_efficient.py configs/label_efficient/chain_mosaic.py
  python tools/train_label_efficient.py CONFIG --gpus 4 --cfg-options randomness.seed=1
  python tools/train_label_efficient.py CONFIG --work-dir work_dirs/without_distortion \\
      --pretrain-options model.distortion_prob=0
  python tools/train_label_efficient.py CONFIG --work-dir work_dirs/longer_end \\
      --cfg-options semi_finetune.max_iters=9000
  python tools/train_label_efficient.py CONFIG --labels 149 --work-dir work_dirs/149_labels
  python tools/train_label_efficient.py CONFIG --labels 149 --no-pretraining \\
      --work-dir work_dirs/149_labels_from_scratch
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
        help='changes of the configs of all trained stages; STAGE.KEY=VALUE of pretrain, finetune, '
        'semi_pretrain or semi_finetune alone',
    )
    parser.add_argument(
        '--pretrain-options',
        nargs='+',
        action=ChangesAction,
        default={},
        help='changes of the configs of the two pretraining stages alone',
    )
    parser.add_argument(
        '--finetune-options',
        nargs='+',
        action=ChangesAction,
        default={},
        help='changes of the configs of the two fine-tuning stages alone',
    )
    parser.add_argument(
        '--labels',
        metavar='N',
        help='draw so many labelled images, or take those of a list; all others are pseudo-labelled',
    )
    parser.add_argument('--fold', type=int, default=0, help='number of the draw (default: 0)')
    parser.add_argument(
        '--no-pretraining',
        dest='pretraining',
        action='store_false',
        help='train from scratch before and after the pseudo-labels',
    )
    args = parser.parse_args(argv)
    if args.fold and not (args.labels and args.labels.isdigit()):
        parser.error('--fold numbers the draws of --labels N: give both')
    return args


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
        Request(
            args.cfg_options,
            args.pretrain_options,
            args.finetune_options,
            args.pretraining,
            args.labels,
            args.fold,
        ),
    )
    table = Table(title='mIoU (%) on val at the last iteration')
    table.add_column('after')
    table.add_column('mIoU', justify='right')
    training = 'pretraining and fine-tuning' if args.pretraining else 'training from scratch'
    table.add_row(f'{training} on labels', f'{results["finetune"]:.2f}')
    table.add_row('the same with pseudo-labels', f'{results["semi_finetune"]:.2f}')
    Console().print(table)
    print(f'all stages: {work_dir}')


if __name__ == '__main__':
    with one_sentence(RuntimeError, OSError, ValueError, KeyError):
        main()
