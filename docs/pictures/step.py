"""Draw one real batch of C3-SemiSeg on its way through a training step.

The tiles are what the stages of ``SemiSupervisedSegmentor.loss`` return for it.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint, set_random_seed
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor

from mmseg_contrast.models.segmentors.loss_log import LossLog
from mmseg_contrast.structures import SemiStep

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'c3semiseg' / 'c3semiseg_mosaic.py'
CHECKPOINT = ROOT / 'work_dirs' / 'c3semiseg_mosaic' / 'iter_1000.pth'
PICTURE = Path(__file__).with_suffix('.png')
EXAMPLE = """\
example:
  python tools/train.py configs/c3semiseg/c3semiseg_mosaic.py
  python docs/pictures/step.py work_dirs/c3semiseg_mosaic/iter_1000.pth
"""

LABELED, UNLABELED, INK, FAINT = '#c4572a', '#2668a8', '#222222', '#9a9a9a'
#: Left edges of the columns and top edges of the rows, in tiles.
COLUMNS = (0.0, 1.5, 2.85, 4.35, 5.85, 7.2, 8.7)
ROWS = (0.0, 1.42, 2.84, 4.26)
STAGES = {
    '1  read': (0, 0),
    '2  pseudo-label': (1, 2),
    '3  mix': (3, 3),
    '4  student': (4, 5),
    '5  terms': (6, 6),
}


def run_step(checkpoint: Path | None, seed: int = 2) -> dict[str, np.ndarray]:
    """Send a batch through the stages of a step and return the tiles of one pair of images.

    Args:
        checkpoint (Path, optional): Weights of student and teacher; none keeps the initial ones.
        seed (int): Seed of the batch and of the mixing.

    Returns:
        dict[str, np.ndarray]: RGB images of shape (H, W, 3) by name, and maps of shape (H, W).
    """
    cfg = Config.fromfile(CONFIG)
    init_default_scope('mmseg')
    set_random_seed(seed)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    # So that the pair that is drawn has one image of each set.
    cfg.model.mixing.pairs = 'cross'
    cfg.model.semi_train_cfg.burn_in = 0
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=seed)
    model = MODELS.build(cfg.model).train()
    if checkpoint is not None:
        load_checkpoint(model, str(checkpoint), map_location='cpu')
    data = model.data_preprocessor(next(iter(loader)), training=True)
    inputs, samples = data['inputs'], data['data_samples']

    log = LossLog(model.running_stats)
    labeled = model._read_labeled(inputs, samples)
    pseudo = model._pseudo_label(inputs, samples, log)
    mixed = model._mix(labeled, pseudo, inputs)
    with torch.no_grad():
        step = model._run_student(mixed, labeled, pseudo, None)
    a, b = pair_of(mixed[0], len(labeled))
    u = b - len(labeled)
    # Ignored pixels (255) are black.
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: model.num_classes] = loader.dataset.metainfo['palette']
    target, view = step.labeled, step.views[0]
    on_mixed = step.align(step.logits)  # the exchange is its own inverse
    _, head = model.contrast_heads()[0]
    return {
        'anchors_a': anchors(head, step, a, picture(model, inputs['sup'][a]), palette),
        'anchors_b': anchors(head, step, b, picture(model, inputs['strong'][u]), palette),
        'mask': palette[target.labels[a].numpy()],
        'sup': picture(model, inputs['sup'][a]),
        'strong': picture(model, inputs['strong'][u]),
        'weak': picture(model, inputs['weak'][u]),
        'teacher': palette[view.targets.probs[u].argmax(0).numpy()],
        'trusted': trusted(palette, view.targets.labels[u], view.targets.weight[u]),
        'mixed_a': picture(model, mixed[0].images[a]),
        'mixed_b': picture(model, mixed[0].images[b]),
        'student_a': palette[on_mixed[a].argmax(0).numpy()],
        'student_b': palette[on_mixed[b].argmax(0).numpy()],
        'aligned_a': palette[step.logits[a].argmax(0).numpy()],
        'aligned_b': palette[step.logits[b].argmax(0).numpy()],
        'loss_a': pixel_loss(step.logits[a], target.labels[a]).numpy(),
        'loss_b': (
            view.targets.weight[u] * pixel_loss(view.logits[u], view.targets.probs[u])
        ).numpy(),
    }


def pixel_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of each pixel (H, W) of one image; ignored pixels have 0."""
    return F.cross_entropy(logits[None], target[None], reduction='none')[0]


def pair_of(mixed: object, num_labeled: int) -> tuple[int, int]:
    """Return a labelled image and the unlabelled one with which it exchanges the largest box.

    Args:
        mixed (Mixed): The mixed batch.
        num_labeled (int): Number of labelled images.
    """
    images = mixed.images
    number = torch.arange(float(len(images)))[:, None, None, None].expand(-1, 1, *images.shape[2:])
    source = mixed.align(number)[:num_labeled, 0].flatten(1)
    own = torch.arange(num_labeled)[:, None]
    a = int((source != own).float().mean(1).argmax())
    return a, int(source[a].max())


def picture(model: torch.nn.Module, image: Tensor) -> np.ndarray:
    """Return a normalised image (3, H, W) as it was read, uint8 (H, W, 3)."""
    prep = model.data_preprocessor
    raw = image * prep.std + prep.mean
    return raw.clamp(0, 255).byte().permute(1, 2, 0).numpy()


def trusted(palette: np.ndarray, labels: Tensor, weight: Tensor) -> np.ndarray:
    """Return the colours of pseudo-labels, white where the selector rejects them."""
    return np.where(weight.numpy()[..., None] > 0, palette[labels.numpy()], 255).astype(np.uint8)


def anchors(
    head: torch.nn.Module, step: SemiStep, image: int, seen: np.ndarray, palette: np.ndarray
) -> np.ndarray:
    """Return an image, paled, with a square in the colour of its class on each anchor of the contrast."""
    size = head.embed(step.student).shape[2:]
    index, filled = head._sample(step, size)
    scale = len(seen) // size[0]
    drawn = (0.45 * seen + 0.55 * 255).astype(np.uint8)
    for label, (places, there) in enumerate(zip(index[image].tolist(), filled[image].tolist())):
        for place in (place for place, is_there in zip(places, there) if is_there):
            y, x = (scale * part for part in divmod(place, size[1]))
            drawn[y : y + scale, x : x + scale] = palette[label]
    return drawn


class Drawing:
    """A figure with tiles in columns and rows, and arrows between them.

    Args:
        tiles (dict[str, np.ndarray]): What to draw, by name.
    """

    def __init__(self, tiles: dict[str, np.ndarray]) -> None:
        self.tiles = tiles
        width, height = 10.45, 6.95
        self.figure = Figure(figsize=(width, height), dpi=115)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.8, -0.8), aspect='equal')
        self.axes.axis('off')

    def tile(self, name: str, column: int, row: int, title: str, color: str = INK) -> None:
        """Draw a tile with a title below it."""
        x, y = COLUMNS[column], ROWS[row]
        image = self.tiles[name]
        options = {}
        if image.ndim == 2:
            hot = LinearSegmentedColormap.from_list(
                'loss', ['white', '#f6c177', '#b4232a', '#3b0a12']
            )
            options = {'cmap': hot, 'vmin': 0, 'vmax': 4}
        self.axes.imshow(
            image, extent=(x, x + 1, y + 1, y), interpolation='nearest', aspect='equal', **options
        )
        self.axes.plot(
            [x, x + 1, x + 1, x, x], [y, y, y + 1, y + 1, y], color=color, lw=1.6, zorder=3
        )
        self.text(x + 0.5, y + 1.06, title, color=color, va='top')

    def text(self, x: float, y: float, text: str, **options: object) -> None:
        """Write, centred."""
        options = {'size': 9, 'color': INK, 'ha': 'center', **options}
        self.axes.text(x, y, text, linespacing=1.05, **options)

    def arrow(self, *points: tuple[float, float], color: str = INK) -> None:
        """Draw an arrow along points."""
        xs, ys = zip(*points)
        self.axes.plot(xs[:-1], ys[:-1], color=color, lw=1.6, solid_joinstyle='round')
        self.axes.annotate(
            '',
            points[-1],
            points[-2],
            arrowprops={'arrowstyle': '-|>', 'color': color, 'lw': 1.6, 'shrinkA': 0, 'shrinkB': 1},
        )

    def stage(self, title: str, first: int, last: int) -> None:
        """Draw the band of a stage with its title."""
        x, width = COLUMNS[first] - 0.13, COLUMNS[last] - COLUMNS[first] + 1.26
        for top, height, color in ((-0.7, 6.35, '#f4f3ef'), (-0.7, 0.4, '#e2dfd6')):
            self.axes.add_patch(
                FancyBboxPatch(
                    (x, top),
                    width,
                    height,
                    boxstyle='round,pad=0,rounding_size=0.08',
                    fc=color,
                    ec='none',
                    zorder=-2,
                )
            )
        self.text(x + width / 2, -0.45, title, size=11, weight='bold', va='baseline')

    def png(self) -> bytes:
        """Return the figure as a PNG file of few colours."""
        raw, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(raw, format='png')
        image = Image.open(raw).convert('RGB').quantize(160, dither=Image.Dither.NONE)
        image.save(small, format='png', optimize=True)
        return small.getvalue()


def draw(tiles: dict[str, np.ndarray]) -> bytes:
    """Draw the tiles of a step as a PNG file.

    Args:
        tiles (dict[str, np.ndarray]): As :func:`run_step` returns them.
    """
    d = Drawing(tiles)
    for title, (first, last) in STAGES.items():
        d.stage(title, first, last)
    for row, name, color in ((0.5, 'labelled', LABELED), (2.5, 'unlabelled', UNLABELED)):
        y = (ROWS[int(row)] + ROWS[int(row) + 1] + 1) / 2
        d.text(-0.3, y, name, color=color, rotation=90, va='center', size=11, weight='bold')
    d.tile('mask', 0, 0, 'mask', LABELED)
    d.tile('sup', 0, 1, 'branch sup', LABELED)
    d.tile('strong', 0, 2, 'branch strong', UNLABELED)
    d.tile('weak', 0, 3, 'branch weak', UNLABELED)
    d.tile('teacher', 1, 3, "teacher's classes", UNLABELED)
    d.tile('trusted', 2, 3, 'selected pixels', UNLABELED)
    d.tile('anchors_a', 6, 0, 'contrast: anchors', LABELED)
    d.tile('anchors_b', 6, 3, 'contrast: anchors', UNLABELED)
    for row, (part, color) in enumerate((('a', LABELED), ('b', UNLABELED)), 1):
        y = ROWS[row] + 0.5
        d.tile(f'mixed_{part}', 3, row, 'mixed', color)
        d.tile(f'student_{part}', 4, row, "student's classes", color)
        d.tile(f'aligned_{part}', 5, row, 'un-mixed', color)
        d.tile(f'loss_{part}', 6, row, ('sup: loss', 'unsup: loss')[row - 1], color)
        for left, right in ((0, 3), (3, 4), (4, 5), (5, 6)):
            d.arrow((COLUMNS[left] + 1, y), (COLUMNS[right], y), color=color)
    # Targets go round the student, masks above it and pseudo-labels below, to the losses and the contrast.
    end, turn = COLUMNS[6], COLUMNS[6] - 0.25
    for row, loss, color, column, name in (
        (0, ROWS[1] + 0.25, LABELED, 0, 'targets of the labelled images'),
        (3, ROWS[2] + 0.75, UNLABELED, 2, 'targets of the unlabelled images'),
    ):
        y = ROWS[row] + 0.5
        d.arrow((COLUMNS[column] + 1, y), (end, y), color=color)
        d.arrow((turn, y), (turn, loss), (end, loss), color=color)
        d.text((COLUMNS[3] + COLUMNS[5] + 1) / 2, y - 0.08, name, color=color, va='bottom')
    y = ROWS[3] + 0.5
    d.arrow((1, y), (COLUMNS[1], y), color=UNLABELED)
    d.arrow((COLUMNS[1] + 1, y), (COLUMNS[2], y), color=UNLABELED)
    d.text(
        (COLUMNS[0] + COLUMNS[6] + 1) / 2,
        5.92,
        'after the step: MeanTeacherHook moves the teacher towards the student, '
        'MemoryBankHook writes the banks',
        va='center',
    )
    return d.png()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', nargs='?', type=Path, default=CHECKPOINT)
    parser.add_argument('--seed', type=int, default=2, help='seed of the batch (default: 2)')
    parser.add_argument('--out', type=Path, default=PICTURE, help='PNG file to write')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the picture."""
    args = parse_args(argv)
    args.out.write_bytes(draw(run_step(args.checkpoint, args.seed)))


if __name__ == '__main__':
    main()
