"""Draw what the model really sees: each branch after augmentation, masks, valid maps, mixes."""

import argparse
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from matplotlib.patches import Patch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_contrast.datasets.files import IGNORE_INDEX
from mmseg_contrast.datasets.scan import parts_of, source_of
from mmseg_contrast.engine.checks.data import check_labels
from mmseg_contrast.engine.checks.network import check_preprocessor, check_sample
from mmseg_contrast.files import write_file
from mmseg_contrast.models.mixing import Mixing
from mmseg_contrast.models.segmentors import StudentView
from mmseg_contrast.models.slots import build_slot
from mmseg_contrast.problem import SetupError
from mmseg_contrast.structures import PixelTargets
from mmseg_contrast.tooling.cli import ChangesAction, one_sentence, require_keys
from mmseg_contrast.tooling.overrides import read_config
from mmseg_contrast.visualization import draw_grid, overlay

LABELED = {'sup': 'labelled', 'source': 'other domain'}
EXAMPLE = """\
example:
  python tools/analysis_tools/browse_dataset.py --num 4 --out seen.png \\
      configs/c3semiseg/c3semiseg_mobilenetv2_msrc21-semi-21-192x192.py
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config whose training data to draw')
    parser.add_argument('--out', type=Path, required=True, help='PNG file to write')
    parser.add_argument('--num', type=int, default=4, help='rows (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed (default: %(default)s)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=ChangesAction, help='changes of the config: key=value'
    )
    parser.add_argument('--force', action='store_true', help='replace the file if it exists')
    args = parser.parse_args(argv)
    if args.num < 1:
        parser.error(f'--num {args.num} leaves nothing to draw: give 1 or more')
    return args


def next_batches(cfg: Config, num: int, seed: int) -> tuple[dict[str, Tensor], dict, dict]:
    """Take training samples through the pipelines and the padding of the data preprocessor.

    Args:
        cfg (Config): The config.
        num (int): Number of samples of each branch, at least.
        seed (int): Seed of order and augmentation.

    Returns:
        tuple[dict[str, Tensor], dict, dict]: RGB images in [0, 255], shape (B, 3, H, W), by
        branch; their data samples by branch; and classes and palette.

    Raises:
        SetupError: If there is nothing that could be drawn.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    # One process, so that the seed decides; no normalisation, so that it can be looked at.
    loader_cfg = {**cfg.train_dataloader, 'num_workers': 0, 'persistent_workers': False}
    loader = Runner.build_dataloader(loader_cfg, seed=seed)
    metainfo = loader.dataset.metainfo
    for key in ('classes', 'palette'):
        if not metainfo.get(key):
            raise SetupError(
                f'the data set has no {key}: give metainfo=dict(classes=(...), palette=[[r, g, b], ...]).'
            )
    if not cfg.model.get('data_preprocessor'):
        raise SetupError('the model has no data_preprocessor: give one, which says how to pad.')
    plain = {'mean': None, 'std': None, 'bgr_to_rgb': True, 'rgb_to_bgr': False}
    preprocessor = MODELS.build({**cfg.model.data_preprocessor, **plain})
    size = preprocessor.size and tuple(preprocessor.size)
    problems = check_preprocessor(SimpleNamespace(data_preprocessor=preprocessor))
    for part in parts_of(loader.dataset):
        problems += check_sample(part, source_of(part).place, size)
    if problems:
        raise SetupError(problems[0])

    images: dict[str, Tensor] = {}
    samples: dict[str, list] = {}
    for batch in loader:
        problems = check_labels(batch, len(metainfo['classes']), {IGNORE_INDEX})
        if problems:
            raise SetupError(problems[0])
        batch = preprocessor(batch, training=True)
        if not isinstance(batch['inputs'], dict):
            batch = {key: {'sup': value} for key, value in batch.items()}
        for branch, value in batch['inputs'].items():
            seen = images.get(branch)
            images[branch] = value if seen is None else torch.cat([seen, value])
            samples.setdefault(branch, []).extend(batch['data_samples'][branch])
        if min(map(len, images.values())) >= num:
            break
    return images, samples, {key: metainfo[key] for key in ('classes', 'palette')}


def columns_of(
    cfg: Config, images: dict[str, Tensor], samples: dict[str, list], palette: np.ndarray, num: int
) -> dict[str, list[np.ndarray]]:
    """Make the columns of the grid.

    Args:
        cfg (Config): The config; ``model.mixing`` is used if it is there.
        images (dict[str, Tensor]): RGB images in [0, 255] by branch.
        samples (dict[str, list]): Data samples by branch.
        palette (np.ndarray): Colours of the classes, uint8, shape (C, 3).
        num (int): Images in a column, at most.

    Returns:
        dict[str, list[np.ndarray]]: RGB images, uint8, by title.
    """
    columns = {}
    for branch, batch in images.items():
        rgb = to_uint8(batch[:num])
        labels = [sample.gt_sem_seg.data[0].numpy() for sample in samples[branch][:num]]
        if branch in LABELED:
            columns[LABELED[branch]] = rgb
            drawn = [overlay(*pair, palette) for pair in zip(rgb, labels)]
            columns['its mask' if branch == 'sup' else 'mask of that'] = drawn
        else:
            columns[branch] = rgb
            columns['valid map'] = [hatch(*pair) for pair in zip(rgb, labels)]
    if 'valid map' in columns:
        columns['valid map'] = columns.pop('valid map')  # after all branches

    mixing, view = cfg.model.get('mixing'), student_view(cfg)
    if mixing and {'sup', view} <= images.keys():
        pairs = min(num, len(images['sup']), len(images[view]))
        targets = [PixelTargets.from_samples(samples[name][:pairs]) for name in ('sup', view)]
        both = torch.cat([images['sup'][:pairs], images[view][:pairs]]).float()
        # The images are not normalised here.
        known = {'num_classes': len(palette), 'mean': [0.0] * 3, 'std': [1.0] * 3}
        mixed = build_slot('mixing', Mixing, mixing, known)(both, *targets, pairs)
        drawn = to_uint8(mixed.images)
        columns['labelled, mixed'] = drawn[:pairs]
        for number, start in enumerate(range(pairs, len(drawn), pairs), 1):
            several = f' {number}' if len(drawn) > 2 * pairs else ''
            columns[f'{view}, mixed{several}'] = drawn[start : start + pairs]
    return columns


def student_view(cfg: Config) -> str:
    """Return the first branch of the unlabelled images that the student sees."""
    return StudentView(**(cfg.model.get('views') or [{}])[0]).branch


def to_uint8(images: Tensor) -> list[np.ndarray]:
    """Turn a batch (B, 3, H, W) into images (H, W, 3)."""
    return list(images.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())


def hatch(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Hatch the invalid pixels of an image in red, and fade the others."""
    rows, columns = np.indices(labels.shape)
    stripes = np.where(((rows + columns) // 4 % 2 == 0)[..., None], (255, 0, 0), (90, 0, 0))
    faded = 128 + image // 2
    return np.where((labels == IGNORE_INDEX)[..., None], stripes, faded).astype(np.uint8)


def main(argv: list[str] | None = None) -> None:
    """Write the grid."""
    args = parse_args(argv)
    if args.out.exists() and not args.force:
        raise FileExistsError(f'{args.out} exists: give another name, or add --force.')
    cfg = read_config(args.config, args.cfg_options)
    require_keys(cfg, 'model', 'train_dataloader')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    images, samples, metainfo = next_batches(cfg, args.num, args.seed)
    palette = np.array(metainfo['palette'], np.uint8)
    columns = columns_of(cfg, images, samples, palette, args.num)
    invalid = Patch(facecolor=(0.35, 0, 0), edgecolor='red', hatch='///', label='invalid')
    extra = [invalid] if 'valid map' in columns else []
    rows = max(map(len, columns.values()))
    write_file(args.out, draw_grid(columns, metainfo['classes'], palette, extra))
    print(f'{rows} rows of {", ".join(columns)} written to {args.out}.')


if __name__ == '__main__':
    with one_sentence(KeyError, OSError, ValueError):
        main()
