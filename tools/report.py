"""Write the training report of one or several runs: one HTML file that opens anywhere.

A run writes its own report.html at each validation and at its end. This makes it anew, also while
the run goes on, for a run of MMSegmentation's own configs, and for several runs on one page.
"""

import argparse
import os
import sys
from pathlib import Path

from mmseg_contrast.report.page import NAME, write_page
from mmseg_contrast.report.run_data import RunData, read_run, without_images
from mmseg_contrast.tooling.cli import one_sentence
from mmseg_contrast.tooling.comparison_runs import short_names

EXAMPLE = """\
examples:
  python tools/report.py work_dirs/c3semiseg_mosaic
  python tools/report.py work_dirs/c3semiseg_mosaic --baseline work_dirs/sup_mosaic
  python tools/report.py work_dirs/sup_mosaic work_dirs/c3semiseg_mosaic --out both.html
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='work folders')
    parser.add_argument(
        '--baseline',
        type=Path,
        help='work folder of the run that gains are over (default: the first of several)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        help=f'HTML file (default: {NAME} in the work folder, of several in the folder that holds them)',
    )
    parser.add_argument(
        '--hide-images',
        action='store_true',
        help='leave out pictures, for images that may not be shown to others',
    )
    return parser.parse_args(argv)


def read_runs(folders: list[Path]) -> list[RunData]:
    """Read runs, each under the shortest name that tells it apart.

    Raises:
        FileNotFoundError: If a folder is not there.
        ValueError: If nothing was logged in one.
    """
    paths = [Path(os.path.abspath(folder)) for folder in folders]
    runs = []
    for folder, path, name in zip(folders, paths, short_names(list(dict.fromkeys(paths)))):
        if not path.is_dir():
            raise FileNotFoundError(
                f'there is no folder {folder}: give the work_dir of a run, such as work_dirs/sup_mosaic'
            )
        run = read_run(path, name)
        if run.is_empty:
            raise ValueError(
                f'{folder} has nothing to report: give the work_dir of a run that has logged, which has '
                '*/vis_data/scalars.json below it'
            )
        runs.append(run)
    return runs


def main(argv: list[str] | None = None) -> None:
    """Read the runs and write their page."""
    args = parse_args(argv)
    with one_sentence():
        folders = list(dict.fromkeys(args.work_dirs))
        given = read_runs([*folders, *([args.baseline] if args.baseline else [])])
        if args.hide_images:
            given = [without_images(run) for run in given]
        runs = given[: len(folders)]
        baseline = given[-1] if args.baseline else runs[0] if len(runs) > 1 else None
        common = os.path.commonpath([run.folder for run in runs])
        out = args.out or Path(common, NAME)
        if out.is_dir():
            raise ValueError(f'--out {out} is a folder: give the name of an HTML file')
        write_page(out, runs, baseline)
    print(f'{out}: {", ".join(run.name for run in runs)}')


if __name__ == '__main__':
    sys.exit(main())
