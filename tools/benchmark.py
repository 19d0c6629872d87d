"""Train and measure all runs of a benchmark file, and make tables and a picture of their results.

A finished run is not trained again and an interrupted one goes on, so the same command can be given
again at any time, also beside itself. Each run leaves results/BENCHMARK/RUN.json, its counts of each
validation image (.npz) and what was logged (.csv). docs/benchmark.md says how they are judged.
"""

import argparse
import signal
import sys
from pathlib import Path

from mmengine.registry import init_default_scope

from mmseg_contrast.files import write_csv, write_file
from mmseg_contrast.tooling.benchmark.one_run import (
    Folders,
    complete,
    discard,
    is_finished,
    why_not,
)
from mmseg_contrast.tooling.benchmark.plan import Benchmark, read_benchmark
from mmseg_contrast.tooling.benchmark.plot import draw_gains
from mmseg_contrast.tooling.benchmark.schedule import BUSY, Schedule, starter, visible_gpus
from mmseg_contrast.tooling.benchmark.tables import (
    CLASSES,
    csv_rows,
    fill,
    group,
    markdown,
    read_results,
)
from mmseg_contrast.tooling.cli import ChangesAction, one_sentence
from mmseg_contrast.tooling.launch import tool_runner
from mmseg_contrast.tooling.package_files import find_config

EXAMPLE = """\
examples:
  python tools/benchmark.py configs/benchmarks/race.py --jobs 2
  python tools/benchmark.py FILE --only 'c3semiseg_*_seed0' 'labels-alone_*_seed0'
  python tools/benchmark.py FILE --list
  python tools/benchmark.py FILE --run c3semiseg_mobilenetv2_msrc21-21_seed0
  python tools/benchmark.py FILE --table --plot --write README.md docs/which_method.md
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('benchmark', type=Path, help='path of the benchmark file')
    parser.add_argument(
        '--work-dir', type=Path, help='default: work_dirs/ and the name of the benchmark'
    )
    parser.add_argument(
        '--results', type=Path, help='default: results/ and the name of the benchmark'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=[],
        metavar='PATTERN',
        help='runs whose names match, such as "*_seed0"',
    )
    parser.add_argument('--jobs', type=_positive, default=1, help='runs side by side (default: 1)')
    parser.add_argument(
        '--keep-checkpoints', action='store_true', help='keep them when a run is measured'
    )
    parser.add_argument(
        '--retrain',
        action='store_true',
        help='train again what is there of another config; the old folder is renamed to NAME.old1',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ChangesAction,
        default={},
        help='changes of all configs, such as pretrained=FILE',
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--list', action='store_true', help='only say which runs there are')
    what.add_argument(
        '--run', metavar='NAME', help='do this run in the foreground, as --jobs does each'
    )
    parser.add_argument(
        '--table',
        action='store_true',
        help='train nothing; print the table of --only, and write table.md, classes.md and table.csv of '
        'all runs beside the results',
    )
    parser.add_argument(
        '--plot', action='store_true', help='train nothing; draw gains.png beside the results'
    )
    parser.add_argument(
        '--write',
        nargs='+',
        default=[],
        type=Path,
        metavar='FILE',
        help='train nothing; put the tables into these documents, between their markers',
    )
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text}: give a number of 1 or more')
    return int(text)


def run_one(benchmark: Benchmark, folders: Folders, args: argparse.Namespace) -> None:
    """Do one run; the exit code tells that another process is at work on it."""
    [run] = benchmark.matching([args.run])
    try:
        complete(run, folders, tool_runner(Path(__file__).parent, 0), args.keep_checkpoints)
    except BlockingIOError as error:
        print(error)
        sys.exit(BUSY)


def run_all(benchmark: Benchmark, folders: Folders, args: argparse.Namespace) -> None:
    """Do all runs that are asked for; the exit code tells whether one failed."""
    runs = benchmark.matching(args.only)
    problems = {run: problem for run in runs if (problem := why_not(run, folders))}
    for run in problems if args.retrain else ():
        discard(run, folders)
    if problems and not args.retrain:
        first = next(iter(problems.values()))
        raise FileExistsError(
            f'{len(problems)} of {len(runs)} runs are of another config: {first}; give --retrain to train '
            'them again, or --only for others'
        )
    todo = [run for run in runs if not is_finished(run, folders)]
    print(f'{benchmark.name}: {len(todo)} of {len(runs)} runs to do', flush=True)
    command = [__file__, str(args.benchmark), '--work-dir', str(folders.work)]
    command += ['--results', str(folders.results)]
    command += ['--keep-checkpoints'] if args.keep_checkpoints else []
    if args.cfg_options:
        command += ['--cfg-options', *(f'{k}={v}' for k, v in args.cfg_options.items())]
    failed = Schedule(todo, folders, args.jobs, starter([*command, '--run'], visible_gpus())).run()
    if failed:
        sys.exit(
            f'{len(failed)} of {len(todo)} runs failed: {", ".join(run.name for run in failed)}'
        )


def list_runs(benchmark: Benchmark, folders: Folders, args: argparse.Namespace) -> None:
    """Print the names of the runs, in their order, and which are finished."""
    for run in benchmark.matching(args.only):
        finished = folders.result(run).is_file()
        print(f'{run.name}{"  finished" if finished else ""}')


def show(benchmark: Benchmark, folders: Folders, args: argparse.Namespace) -> None:
    """Make tables, the picture and documents of the results that are there."""
    results = read_results(benchmark, folders.results)
    print(f'{benchmark.name}: {len(results)} of {len(benchmark.runs)} runs have results')
    groups = group(benchmark, results)
    if args.table:
        print(markdown(group(benchmark, results, args.only)), end='')
        write_file(folders.results / 'table.md', markdown(groups))
        write_file(folders.results / 'classes.md', markdown(groups, CLASSES))
        write_csv(folders.results / 'table.csv', csv_rows(groups))
    if args.plot:
        write_file(folders.results / 'gains.png', draw_gains(groups))
    for path in args.write:
        text = path.read_text(encoding='utf-8')
        write_file(path, fill(text, benchmark, results))


def main(argv: list[str] | None = None) -> None:
    """Do what is asked."""
    args = parse_args(argv)
    # As Ctrl-C: what this process started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with one_sentence():
        init_default_scope('mmseg')
        args.benchmark = find_config(args.benchmark)
        benchmark = read_benchmark(args.benchmark, args.cfg_options)
        folders = Folders(
            args.work_dir or Path('work_dirs') / benchmark.name,
            args.results or Path('results') / benchmark.name,
        )
        if args.list:
            return list_runs(benchmark, folders, args)
        if args.table or args.plot or args.write:
            return show(benchmark, folders, args)
    with one_sentence(RuntimeError, OSError, ValueError, KeyError):
        (run_one if args.run else run_all)(benchmark, folders, args)


if __name__ == '__main__':
    main()
