"""Look for what is wrong with a data set before training, and say how to mend it."""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from tqdm import tqdm

from mmseg_contrast.datasets.checks import (
    check_absent,
    check_ids,
    check_left_out,
    check_overlap,
    find_missing,
    require_images,
)
from mmseg_contrast.datasets.files import list_images, read_list
from mmseg_contrast.datasets.scan import Source, samples_of, scan, source_of
from mmseg_contrast.datasets.splits import class_counts, class_table
from mmseg_contrast.problem import Problem
from mmseg_contrast.tooling.cli import ChangesAction, one_sentence, require_keys
from mmseg_contrast.tooling.overrides import read_config

VALIDATION = 'validation images'
EXAMPLE = """\
examples:
  python tools/misc/check_dataset.py configs/c3semiseg/c3semiseg_mobilenetv2_msrc21-semi-21-192x192.py
  python tools/misc/check_dataset.py --images data/camvid/images/train --classes 11 \\
      --masks data/camvid/annotations/train --list data_lists/camvid/camvid.0@1by8.txt
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', nargs='?', help='config whose data sets to check')
    parser.add_argument(
        '--cfg-options', nargs='+', action=ChangesAction, help='changes of the config: key=value'
    )
    parser.add_argument('--images', type=Path, help='folder of images (instead of a config)')
    parser.add_argument('--masks', type=Path, help='folder of masks')
    parser.add_argument('--classes', type=int, help='number of classes')
    parser.add_argument('--list', type=Path, help='list of the labelled images')
    parser.add_argument('--unlabeled', type=Path, help='folder of unlabelled images')
    parser.add_argument('--val-list', type=Path, help='list of the validation images')
    parser.add_argument('--image-suffix', help='end of the image file names')
    parser.add_argument('--mask-suffix', default='.png', help='end of the mask file names')
    parser.add_argument('--reduce-zero-label', action='store_true', help='id 0 is no class')
    parser.add_argument(
        '--max-images', type=int, help='open no more images of each part, evenly spread'
    )
    args = parser.parse_args(argv)
    if (args.config is None) == (args.images is None):
        parser.error('give either a config, or --images, --masks and --classes')
    if args.images and args.cfg_options:
        parser.error('--cfg-options changes a config: leave it out with --images')
    if args.images and not (args.masks and args.classes):
        parser.error('--images needs --masks and --classes')
    return args


def sources_of_config(cfg: Config) -> tuple[list[Source], list[Problem]]:
    """Build the training and validation data sets of a config; say which images they leave out."""
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    sources, problems = [], []

    def add(part: ConfigDict, place: str | None) -> None:
        inner = part.get('datasets') or ([part.dataset] if 'dataset' in part else None)
        for each in inner or []:
            add(each, place)
        if inner is None:
            require_images(part, place or 'training images')
            dataset = DATASETS.build(part)
            sources.append(source_of(dataset, place))
            problems.extend(check_left_out(dataset, sources[-1].place))

    add(cfg.train_dataloader.dataset, None)
    if cfg.get('val_dataloader'):
        add(cfg.val_dataloader.dataset, VALIDATION)
    return sources, problems


def sources_of_folders(args: argparse.Namespace) -> list[Source]:
    """Pair the files of folders as the command line says."""
    images = list_images(args.images, args.image_suffix)
    suffix = args.image_suffix or next(iter(images.values())).suffix
    classes = [str(index) for index in range(args.classes)]

    def labeled(place: str, names: list[str]) -> Source:
        return Source(
            place,
            samples_of(
                [str(images.get(name, args.images / f'{name}{suffix}')) for name in names],
                [str(args.masks / f'{name}{args.mask_suffix}') for name in names],
                args.reduce_zero_label,
            ),
            classes,
        )

    sources = [labeled('labelled images', read_list(args.list) if args.list else list(images))]
    if args.unlabeled:
        paths = map(str, list_images(args.unlabeled, args.image_suffix).values())
        sources.append(Source('unlabelled images', samples_of(list(paths))))
    if args.val_list:
        sources.append(labeled(VALIDATION, read_list(args.val_list)))
    return sources


def check(sources: list[Source], limit: int | None) -> list[Problem]:
    """Run every check, print the classes of each part, and collect the problems."""
    problems = []
    for source in sources:
        problems += find_missing(source)
        part = source.spread(limit) if limit else source
        found = scan(part, tqdm(part.samples, source.place, leave=False))
        problems += found.problems
        print(f'{source.place}: {len(source.images)} images, {len(found.sizes)} opened')
        if source.masks is not None:
            wrong = check_ids(found, source)
            problems += wrong
            counts = found.classes[:, : len(source.classes)]
            print(class_table(class_counts(counts), list(source.classes)))
            if not wrong and part is source and source is sources[0]:
                problems += check_absent(found, source)
    for index, first in enumerate(sources):
        for second in sources[index + 1 :]:
            val = any(each.place.startswith(VALIDATION) for each in (first, second))
            unlabeled = None in (first.masks, second.masks)
            if val:
                remedy = 'take them off the training lists, or the score tells nothing'
            elif unlabeled:
                remedy = (
                    'take them off the unlabelled list, or name the labelled one in exclude_list'
                )
            else:
                continue
            problems += check_overlap(first, second, remedy)
    return problems


def main(argv: list[str] | None = None) -> int:
    """Check, report, and return the number of problems."""
    args = parse_args(argv)
    if args.config:
        cfg = read_config(args.config, args.cfg_options)
        require_keys(cfg, 'train_dataloader')
        sources, problems = sources_of_config(cfg)
    else:
        sources, problems = sources_of_folders(args), []
    problems += check(sources, args.max_images)
    for problem in problems:
        print(f'PROBLEM {problem}')
    said = {0: 'No problem found.', 1: '1 problem found.'}
    print(said.get(len(problems), f'{len(problems)} problems found.'))
    return len(problems)


if __name__ == '__main__':
    with one_sentence(AssertionError, KeyError, OSError, ValueError):
        sys.exit(1 if main() else 0)
