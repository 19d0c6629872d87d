"""Draw the feature space of one or several networks: class-balanced pixels of many images.

Takes checkpoints of any MMSegmentation model, of a semi-supervised run (with its memory bank, where
it has one of the features that are drawn), and of a contrastive pretraining. Figures 2 and 3 of
Zhao et al. (ICCV 2021) are such pictures.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from mmseg.models import EncoderDecoder
from mmseg.registry import DATASETS, MODELS
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from mmseg_contrast.datasets.files import write_file
from mmseg_contrast.engine.hooks.check_setup_hook import check_state_dict
from mmseg_contrast.models.decode_heads import ContrastHead
from mmseg_contrast.models.segmentors import ContrastivePretrainer
from mmseg_contrast.structures import Features
from mmseg_contrast.utils.checkpoint import read_checkpoint
from mmseg_contrast.utils.cli import one_sentence
from mmseg_contrast.visualization.embedding import (
    METHODS,
    PixelFeatures,
    align_labels,
    draw_balanced,
    draw_embeddings,
    find_bank,
)

EXAMPLE = """\
examples:
  python tools/analysis_tools/plot_embedding.py --out features.png \\
      --run supervised SCRATCH_CONFIG SCRATCH_CHECKPOINT --run contrastive CONFIG CHECKPOINT
  python tools/analysis_tools/plot_embedding.py --out heads.png --feature embedding \\
      --run C3-SemiSeg configs/c3semiseg/c3semiseg_mosaic.py work_dirs/run1/iter_1000.pth
"""
FEATURES = ('classifier', 'embedding')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--run',
        nargs=3,
        action='append',
        required=True,
        metavar=('TITLE', 'CONFIG', 'CHECKPOINT'),
        help='a network to draw; may be given several times',
    )
    parser.add_argument('--out', type=Path, required=True, help='PNG file to write')
    parser.add_argument(
        '--feature',
        choices=FEATURES,
        default='classifier',
        help="the classifier's input (default), or the embedding of the contrast head",
    )
    parser.add_argument('--method', choices=METHODS, default='tsne', help='default: tsne')
    parser.add_argument('--images', type=int, default=50, help='images (default: %(default)s)')
    parser.add_argument(
        '--pixels', type=int, default=100, help='pixels of each class (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed (default: %(default)s)')
    parser.add_argument('--device', default=get_device(), help='default: what is there')
    parser.add_argument('--force', action='store_true', help='replace the file if it exists')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, help='changes of all configs'
    )
    args = parser.parse_args(argv)
    if min(args.images, args.pixels) < 1:
        parser.error('--images and --pixels count: give 1 or more')
    titles = [title for title, *_ in args.run]
    if len(set(titles)) < len(titles):
        parser.error('two runs have the same title')
    return args


def load_model(cfg: Config, checkpoint: str, device: str) -> EncoderDecoder:
    """Build a segmentor and load its weights, all of which must be there."""
    cfg.model.pretrained = None
    model = MODELS.build(cfg.model)
    weights = read_checkpoint(checkpoint)['state_dict']
    problems = check_state_dict(weights, model.state_dict())
    if problems:
        raise ValueError(f'{checkpoint}: {problems[0]}')
    load_state_dict(model, weights, strict=False)
    return model.to(device).eval()


class FeatureReader:
    """Reads the features of pixels out of a network.

    Args:
        model (EncoderDecoder): The network.
        feature (str): One of :data:`FEATURES`.

    Raises:
        ValueError: If the network has no such feature.
    """

    def __init__(self, model: EncoderDecoder, feature: str) -> None:
        self.model = model
        self.head = None
        kind = type(model).__name__
        if not hasattr(model.decode_head, 'conv_seg'):
            raise ValueError(f"the decode head of this {kind} has no 'conv_seg', so no such input")
        model.decode_head.conv_seg.register_forward_pre_hook(self._keep)
        if feature == 'embedding':
            if isinstance(model, ContrastivePretrainer):
                self.head = model.projector
            else:
                heads = model.auxiliary_head if model.with_auxiliary_head else []
                heads = heads if isinstance(heads, torch.nn.ModuleList) else [heads]
                self.head = next((h for h in heads if isinstance(h, ContrastHead)), None)
            if self.head is None:
                raise ValueError(f'this {kind} has no contrast head: leave out --feature')

    def _keep(self, module: torch.nn.Module, args: tuple[Tensor]) -> None:
        self.seen = args[0]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return unit features (B, D, h, w) of preprocessed images."""
        stages = self.model.extract_feat(images)
        self.model.decode_head.forward(stages)
        features = self.seen
        if isinstance(self.head, ContrastHead):
            features = self.head.embed(Features(stages, self.seen))
        elif self.head is not None:
            features = self.head(self.seen)
        return F.normalize(features.float(), dim=1)


def read_features(
    model: EncoderDecoder, cfg: Config, args: argparse.Namespace
) -> tuple[PixelFeatures, dict]:
    """Collect the features of class-balanced pixels of the test images.

    Returns:
        tuple[PixelFeatures, dict]: The features, and the meta information of the data set.
    """
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    reader = FeatureReader(model, args.feature)
    picks = np.unique(np.linspace(0, len(dataset) - 1, args.images).round().astype(int))
    rng = np.random.default_rng(args.seed)
    vectors, labels = [], []
    for index in track(picks, description='reading features', transient=True):
        data = model.data_preprocessor(pseudo_collate([dataset[int(index)]]), False)
        features = reader(data['inputs'])[0]
        (sample,) = data['data_samples']
        found = align_labels(
            sample.gt_sem_seg.data[0].cpu(),
            tuple(features.shape[1:]),
            tuple(sample.img_shape[:2]),
            tuple(data['inputs'].shape[2:]),
        )
        # a first draw in each image keeps memory low
        chosen = draw_balanced(found.flatten().numpy(), args.pixels, rng)
        vectors.append(
            features.flatten(1).T[torch.from_numpy(chosen).to(features.device)].cpu().numpy()
        )
        labels.append(found.flatten().numpy()[chosen])
    vectors, labels = np.concatenate(vectors), np.concatenate(labels)
    chosen = draw_balanced(labels, args.pixels, rng)
    vectors, labels = vectors[chosen], labels[chosen]
    number = len(dataset.metainfo['classes'])
    bank = find_bank(model, vectors.shape[1], number)
    is_bank = np.zeros(len(labels), bool)
    if bank is not None:
        rows = draw_balanced(bank[1], args.pixels, rng)
        vectors = np.concatenate([vectors, bank[0][rows]])
        labels = np.concatenate([labels, bank[1][rows]])
        is_bank = np.concatenate([is_bank, np.ones(len(rows), bool)])
    return PixelFeatures(vectors, labels, is_bank), dataset.metainfo


def main(argv: list[str] | None = None) -> None:
    """Read, project and draw."""
    args = parse_args(argv)
    if args.out.exists() and not args.force:
        raise FileExistsError(f'{args.out} exists: give another name, or add --force')
    panels = {}
    metas = []
    for title, config, checkpoint in args.run:
        cfg = Config.fromfile(config)
        cfg.merge_from_dict(args.cfg_options)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        model = load_model(cfg, checkpoint, args.device)
        panels[title], meta = read_features(model, cfg, args)
        metas.append(meta)
    if any(meta['classes'] != metas[0]['classes'] for meta in metas):
        raise ValueError('the runs have different classes: draw them one by one')
    classes, palette = metas[0]['classes'], metas[0]['palette']
    picture, measures = draw_embeddings(panels, args.method, classes, palette, args.seed)
    write_file(args.out, picture)
    table = Table(title=f'{args.feature}, {args.method}: {args.out}')
    for name in ('run', 'pixels', 'bank rows', 'silhouette', 'cosine within', 'cosine between'):
        table.add_column(name, justify='left' if name == 'run' else 'right')
    for title, measured in measures.items():
        bank = int(panels[title].bank.sum())
        pixels = len(panels[title].labels) - bank
        table.add_row(title, str(pixels), str(bank), *(f'{v:.3f}' for v in measured.values()))
    # wide enough for all columns, also where the output is no terminal
    Console(width=max(110, Console().width)).print(table)


if __name__ == '__main__':
    with one_sentence(OSError, ValueError, ImportError, KeyError):
        main()
