"""Draw consistency and separation of one or several runs from their logs, as Figures 1 and 2 of CSC."""

import argparse
import math
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from mmseg_contrast.utils.scalars import find_scalars, read_scalars

#: What is drawn: the ending of the key in the log, and the title of its panel.
PANELS = {
    'separ': 'Separ (lower is better)',
    'inter_cos': 'mean cosine of two classes',
    'cons': 'Cons(T) (higher is better)',
    'cons_proxy': 'cosine of class means with running means',
    'intra_spread': 'spread within a class',
    'accept_consistency': 'accepted consistency candidates',
    'accept_enqueue': 'accepted enqueue candidates',
    'rows_min': 'rows of the emptiest class',
}

EXAMPLE = """\
example:
  python tools/analysis_tools/plot_csc.py gate=work_dirs/csc no-gate=work_dirs/csc_wo-gate --out csc.png
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'runs', nargs='+', help='work folder or scalars.json, with a name as NAME=PATH if you like'
    )
    parser.add_argument('--out', type=Path, required=True, help='PNG file to write')
    return parser.parse_args(argv)


def read_curves(paths: list[Path]) -> dict[str, list[tuple[int, float]]]:
    """Read what :data:`PANELS` names from the logs of a run, whatever the prefix of its keys.

    Args:
        paths (list[Path]): Each a ``scalars.json``: one JSON object in each line. Where a log begins, what
            older ones say of later steps is dropped: the run was resumed from there.

    Returns:
        dict: Pairs of step and value by the name of the panel, where there are any.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for path in paths:
        entries = list(read_scalars(path))
        start = min((entry['step'] for entry in entries), default=math.inf)
        curves = {name: [p for p in curve if p[0] < start] for name, curve in curves.items()}
        for entry in entries:
            for key, value in entry.items():
                name = key.rsplit('.', 1)[-1]
                if name in PANELS:
                    curves.setdefault(name, []).append((entry['step'], value))
    return {name: curve for name, curve in curves.items() if curve}


def draw(runs: dict[str, dict[str, list[tuple[int, float]]]], out: Path) -> list[str]:
    """Draw one panel for each quantity that a run has, with one line for each run.

    Args:
        runs (dict): Curves of each run, as from :func:`read_curves`, by its name.
        out (Path): PNG file to write.

    Returns:
        list[str]: Names of the panels.
    """
    names = [name for name in PANELS if any(name in curves for curves in runs.values())]
    rows = -(-len(names) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(11, 3 * rows), squeeze=False)
    for axis, name in zip(axes.flat, names):
        for run, curves in runs.items():
            if name in curves:
                steps, values = zip(*curves[name])
                axis.plot(steps, values, label=run)
        axis.set_title(PANELS[name], fontsize=10)
        axis.set_xlabel('iteration')
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis in list(axes.flat)[len(names) :]:
        axis.remove()
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    plt.close(figure)
    return names


def main(argv: list[str] | None = None) -> None:
    """Read the logs, draw them, and say what was drawn."""
    args = parse_args(argv)
    runs = {}
    for run in args.runs:
        name, _, path = run.rpartition('=')
        path = Path(path)
        logs = find_scalars(path)
        if not logs:
            sys.exit(
                f'{path} has no vis_data/scalars.json: give the work_dir of a run that has logged.'
            )
        curves = read_curves(logs)
        if not curves:
            sys.exit(
                f'{path} has logged nothing of CSC: train with CSCContrastHead, MemoryBankHook and, for '
                'a SemiSupervisedSegmentor, SemiDiagnosticsHook.'
            )
        runs[name or path.name] = curves
    names = draw(runs, args.out)
    print(f'{args.out}: {", ".join(names)}')


if __name__ == '__main__':
    main()
