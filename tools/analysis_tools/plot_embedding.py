"""Draw the feature space of one or several networks: class-balanced pixels of many images.

Takes checkpoints of any MMSegmentation model, of a semi-supervised run (its student's), and of a
contrastive pretraining. Beside an embedding stand the rows of its memory bank, where the contrast
head has one. Figures 2 and 3 of Zhao et al. (ICCV 2021) are such pictures.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from mmseg.models import EncoderDecoder
from mmseg.registry import DATASETS, MODELS
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from mmseg_contrast.engine.checks.checkpoint import check_state_dict
from mmseg_contrast.files import write_file
from mmseg_contrast.models.decode_heads import ContrastHead, DeepLabV2Head
from mmseg_contrast.models.segmentors import ContrastivePretrainer, SemiSupervisedSegmentor
from mmseg_contrast.structures import Features
from mmseg_contrast.structures.feature_grid import align_labels
from mmseg_contrast.tooling.checkpoint import read_checkpoint, without_initial_weights
from mmseg_contrast.tooling.cli import ChangesAction, one_sentence, require_keys
from mmseg_contrast.tooling.overrides import read_config, refuse
from mmseg_contrast.visualization.embedding import (
    METHODS,
    PixelFeatures,
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
        choices=READERS,
        default='classifier',
        help="the classifier's input (default), or the embedding of the first contrast head",
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
        '--cfg-options', nargs='+', action=ChangesAction, default={}, help='changes of all configs'
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
    model = MODELS.build(without_initial_weights(cfg.model))
    weights = read_checkpoint(checkpoint)['state_dict']
    problems = check_state_dict(weights, model.state_dict())
    if problems:
        raise ValueError(f'{checkpoint}: {problems[0]}')
    load_state_dict(model, weights, strict=False)
    return model.to(device).eval()


def find_classifier(head: nn.Module) -> nn.Module:
    """Return a layer that a decode head classifies by.

    Args:
        head (nn.Module): The decode head; of a cascade, the last one.

    Raises:
        ValueError: If it has no such layer.
    """
    # Its parallel convolutions are the classifier, so that their input is the backbone's stage.
    if isinstance(head, DeepLabV2Head):
        return head.branches[0]
    classifier = getattr(head, 'conv_seg', None)
    if classifier is None:
        raise ValueError(
            f"{type(head).__name__} has no 'conv_seg', so no input of it to draw: use --feature "
            'embedding where there is a contrast head, or another decode head'
        )
    return classifier


def find_contrast_head(model: EncoderDecoder) -> ContrastHead:
    """Return the first contrast head among a network's auxiliary heads.

    Args:
        model (EncoderDecoder): The network.

    Raises:
        ValueError: If there is none.
    """
    heads = model.auxiliary_head.modules() if model.with_auxiliary_head else ()
    head = next((each for each in heads if isinstance(each, ContrastHead)), None)
    if head is None:
        raise ValueError(f'this {type(model).__name__} has no contrast head: leave out --feature')
    return head


@torch.no_grad()
def read_classifier_input(model: EncoderDecoder, images: Tensor) -> Tensor:
    """Return what the (last) decode head classifies, (B, D, h, w).

    Args:
        model (EncoderDecoder): The network.
        images (Tensor): Preprocessed images of shape (B, 3, H, W).
    """
    heads = model.decode_head
    first, *others = heads if isinstance(heads, nn.ModuleList) else [heads]
    seen = []
    classifier = find_classifier(others[-1] if others else first)
    hook = classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    stages = model.extract_feat(images)
    logits = first.forward(stages)
    for head in others:
        logits = head.forward(stages, logits)
    hook.remove()
    return seen[-1]


@torch.no_grad()
def read_embedding(model: EncoderDecoder, images: Tensor) -> Tensor:
    """Return the embedding of the contrast head, or of the projector of a pretraining, (B, D, h, w).

    Args:
        model (EncoderDecoder): The network.
        images (Tensor): Preprocessed images of shape (B, 3, H, W).
    """
    if isinstance(model, ContrastivePretrainer):
        return model.projector(read_classifier_input(model, images))
    head = find_contrast_head(model)
    if isinstance(model, SemiSupervisedSegmentor):
        return head.embed(model.student_features(images))
    return head.embed(Features(model.extract_feat(images)))


READERS = {'classifier': read_classifier_input, 'embedding': read_embedding}


def read_features(
    model: EncoderDecoder, cfg: Config, args: argparse.Namespace
) -> tuple[PixelFeatures, dict]:
    """Collect the features of class-balanced pixels of the test images, and of the bank's rows.

    Args:
        model (EncoderDecoder): The network.
        cfg (Config): Has the test images.
        args (argparse.Namespace): The command line.

    Returns:
        tuple[PixelFeatures, dict]: The features, and the meta information of the data set.
    """
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    picks = np.unique(np.linspace(0, len(dataset) - 1, args.images).round().astype(int))
    rng = np.random.default_rng(args.seed)
    vectors, labels = [], []
    for index in track(picks, description='reading features', transient=True):
        data = model.data_preprocessor(pseudo_collate([dataset[int(index)]]), False)
        features = READERS[args.feature](model, data['inputs'])
        features = F.normalize(features.float(), dim=1)[0]
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
    features = PixelFeatures(vectors[chosen], labels[chosen], np.zeros(len(chosen), bool))
    if args.feature == 'embedding' and not isinstance(model, ContrastivePretrainer):
        features = add_bank(features, find_contrast_head(model), args.pixels, rng)
    return features, dataset.metainfo


def add_bank(
    features: PixelFeatures, head: ContrastHead, number: int, rng: np.random.Generator
) -> PixelFeatures:
    """Append rows of a contrast head's memory bank, if it has one, to features of its embedding.

    Args:
        features (PixelFeatures): Features of pixels.
        head (ContrastHead): The head that made them.
        number (int): Rows of each class, at most.
        rng (np.random.Generator): Where the randomness comes from.
    """
    bank = find_bank(head)
    if bank is None:
        return features
    vectors, labels = bank
    rows = draw_balanced(labels, number, rng)
    return PixelFeatures(
        np.concatenate([features.vectors, vectors[rows]]),
        np.concatenate([features.labels, labels[rows]]),
        np.concatenate([features.bank, np.ones(len(rows), bool)]),
    )


def main(argv: list[str] | None = None) -> None:
    """Read, project and draw."""
    args = parse_args(argv)
    if args.out.exists() and not args.force:
        raise FileExistsError(f'{args.out} exists: give another name, or add --force')
    panels = {}
    metas = []
    for title, config, checkpoint in args.run:
        refuse(args.cfg_options, {'load_from': 'give CHECKPOINT'}, '--cfg-options')
        cfg = read_config(config, args.cfg_options)
        require_keys(cfg, 'model', 'test_dataloader')
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
