"""Draw consistency and separation of one or several runs, as Figures 1, 2 and 4 of CSC."""

import argparse
import sys
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from torch import Tensor

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from mmseg_contrast.report.figures import CSC_PANELS as PANELS
from mmseg_contrast.scalars import Curve, find_scalars, read_curves
from mmseg_contrast.tooling.checkpoint import latest_checkpoint, read_checkpoint

EXAMPLE = """\
example:
  python tools/analysis_tools/plot_csc.py gate=work_dirs/csc no-gate=work_dirs/csc_wo-gate --out csc.png \\
      --similarity similarity.png
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'runs', nargs='+', help='work folder or scalars.json, with a name as NAME=PATH if you like'
    )
    parser.add_argument('--out', type=Path, required=True, help='PNG file of the curves')
    parser.add_argument(
        '--similarity',
        type=Path,
        help="PNG file of the cosines between the classes of the bank in each run's last checkpoint",
    )
    return parser.parse_args(argv)


def csc_curves(paths: list[Path]) -> dict[str, Curve]:
    """Read what :data:`PANELS` names from the logs of a run, whatever the prefix of its keys.

    Args:
        paths (list[Path]): Each a ``scalars.json``, from old to new.

    Returns:
        dict: Pairs of step and value by the name of the panel, where there are any.
    """
    curves = {key.rsplit('.', 1)[-1]: curve for key, curve in read_curves(paths).items()}
    return {name: curves[name] for name in PANELS if name in curves}


def draw(runs: dict[str, dict[str, Curve]], out: Path) -> list[str]:
    """Draw one panel for each quantity that a run has, with one line for each run.

    Args:
        runs (dict): Curves of each run, as from :func:`csc_curves`, by its name.
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


def class_similarity(sums: Tensor) -> Tensor:
    """Return the cosines between the mean features of the classes, Figure 4 of the paper.

    Args:
        sums (Tensor): Sum of a bank's rows of each class, of shape (C, D).

    Returns:
        Tensor: Cosines of shape (C, C), in [-1, 1]; NaN for a class without rows.
    """
    means = F.normalize(sums.double(), dim=1)
    empty = (sums == 0).all(1)
    return (means @ means.T).masked_fill(empty | empty.unsqueeze(1), torch.nan)


def read_similarity(path: Path) -> tuple[Tensor, list[str]]:
    """Read the cosines between the classes, and their names, from the last checkpoint of a run.

    Args:
        path (Path): Work folder.

    Returns:
        tuple[Tensor, list[str]]: Cosines of shape (C, C), and C names.
    """
    checkpoint = latest_checkpoint(path)
    if checkpoint is None:
        sys.exit(f'{path} has no checkpoint, which --similarity reads: give the work_dir of a run.')
    content = read_checkpoint(checkpoint)
    sums = [v for k, v in content['state_dict'].items() if k.endswith('.bank.sums')]
    if not sums:
        sys.exit(f'{checkpoint} has no bank of CSC: train with CSCContrastHead and a bank.')
    classes = (content.get('meta', {}).get('dataset_meta') or {}).get('classes')
    return class_similarity(sums[0]), list(classes or map(str, range(len(sums[0]))))


def draw_similarity(runs: dict[str, tuple[Tensor, list[str]]], out: Path) -> None:
    """Draw one matrix of cosines for each run, with the mean over the pairs of two classes.

    Args:
        runs (dict): Cosines and class names of each run, as from :func:`read_similarity`, by its name.
        out (Path): PNG file to write.
    """
    size = max(4.0, 0.36 * max(len(classes) for _, classes in runs.values()))
    figure, axes = plt.subplots(
        1, len(runs), figsize=(size * len(runs) + 1, size), squeeze=False, layout='constrained'
    )
    for axis, (run, (cosines, classes)) in zip(axes.flat, runs.items()):
        axis.set_facecolor('lightgrey')
        image = axis.imshow(cosines.numpy(), cmap='RdBu_r', vmin=-1, vmax=1)
        places = range(len(classes))
        axis.set_xticks(places, classes, rotation=90, fontsize=7)
        axis.set_yticks(places, classes, fontsize=7)
        pairs = cosines[~torch.eye(len(classes), dtype=torch.bool)]
        axis.set_title(f'{run}: mean {pairs.nanmean():.2f}', fontsize=10)
        for row, column in torch.isfinite(cosines).nonzero().tolist():
            value = float(cosines[row, column])
            color = 'white' if abs(value) > 0.6 else 'black'
            text = f'{value:.1f}'.replace('-0.0', '0.0')
            axis.text(column, row, text, ha='center', va='center', fontsize=5, color=color)
    figure.colorbar(image, ax=axes.ravel().tolist(), shrink=0.8, label='cosine of two classes')
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Read the logs, draw them, and say what was drawn."""
    args = parse_args(argv)
    runs, matrices = {}, {}
    for run in args.runs:
        name, _, path = run.rpartition('=')
        path = Path(path)
        logs = find_scalars(path)
        if not logs:
            sys.exit(
                f'{path} has no vis_data/scalars.json: give the work_dir of a run that has logged.'
            )
        curves = csc_curves(logs)
        if not curves:
            sys.exit(
                f'{path} has logged nothing of CSC: train with CSCContrastHead, MemoryBankHook and, for '
                'a SemiSupervisedSegmentor, SemiDiagnosticsHook.'
            )
        runs[name or path.name] = curves
        if args.similarity:
            matrices[name or path.name] = read_similarity(path)
    names = draw(runs, args.out)
    print(f'{args.out}: {", ".join(names)}')
    if args.similarity:
        draw_similarity(matrices, args.similarity)
        print(f'{args.similarity}: cosines between the classes')


if __name__ == '__main__':
    main()
