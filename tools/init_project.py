"""Make a project of a folder of photos and a folder of masks of some of them.

Finds out which photo has which mask and what the numbers or colours of the masks mean, divides the
labelled photos into training and validation, and writes configs of two trainings: labels alone, and
all photos. Photos and masks are only read. The same command takes in what is new later; files that
were changed by hand are kept.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from mmseg_contrast.datasets.files import IGNORE_INDEX
from mmseg_contrast.projects.codes import color_of
from mmseg_contrast.projects.configs import Recipe
from mmseg_contrast.projects.encoding import KINDS
from mmseg_contrast.projects.inspection import Question
from mmseg_contrast.projects.own_files import OwnFiles
from mmseg_contrast.projects.project import ANNOTATIONS, LEFT_OUT, Project, Request, make_project
from mmseg_contrast.tooling.cli import one_sentence
from mmseg_contrast.tooling.launch import tool_runner
from mmseg_contrast.tooling.package_files import folder_of

METHOD, BACKBONE = 'c3semiseg', 'mobilenetv2'
EXAMPLE = """\
examples:
  python tools/init_project.py --images photos --masks masks --out my_project
  # polygons of LabelMe beside the photos; of COCO in one file
  python tools/init_project.py --images photos --masks photos --out my_project
  python tools/init_project.py --images photos --masks instances.json --out my_project
  # names of the classes, in the order of their ids, or a file of them
  python tools/init_project.py --images photos --masks masks --out my_project --classes soil weed crop
  # a folder for validation; another method
  python tools/init_project.py --images photos --masks masks --out my_project --val photos/field7 \\
      --method unimatch_v2
  # photos or masks have changed
  python tools/init_project.py --out my_project
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; what it leaves out of a project that is there is as it was."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', help='folder of the photos')
    parser.add_argument(
        '--masks', help='folder of the masks (images, or JSON of LabelMe), or a JSON file of COCO'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the project')
    parser.add_argument(
        '--classes', nargs='+', help='class names in the order of their ids, or one file of them'
    )
    parser.add_argument(
        '--ignore',
        nargs='+',
        help='numbers or colours (R,G,B) of pixels that are no class, or none (default: 255)',
    )
    parser.add_argument(
        '--encoding',
        choices=KINDS,
        help='what the numbers of masks are, where they do not tell: class ids; values, each of which '
        'is a class; instances of one class; class * 1000 + instance',
    )
    parser.add_argument('--mask-suffix', help='end of the names of masks, e.g. _mask.png')
    parser.add_argument('--val', help='folder of the photos for validation')
    parser.add_argument('--val-masks', help='folder of their masks, if it is another than --masks')
    parser.add_argument(
        '--group',
        help='which photos stay on one side: folder, frames (names that differ in the last number), '
        'none, or a regular expression of what they share (default: auto)',
    )
    parser.add_argument('--seed', type=int, help='seed of the division (default: 0)')
    parser.add_argument('--method', help=f'recipe of semi.py (default: {METHOD})')
    parser.add_argument('--backbone', help=f'net, by name or config (default: {BACKBONE})')
    parser.add_argument('--steps', type=int, help='iterations (default: by the number of labels)')
    args = parser.parse_args(argv)
    with one_sentence(OSError, ValueError):
        before = OwnFiles(args.out).record.get('arguments', {})
    for key, value in before.items():
        if key in vars(args) and getattr(args, key) is None:
            setattr(args, key, value)
    for key in ('images', 'masks'):
        if getattr(args, key) is None:
            parser.error(f'--{key} is missing: give the folder')
    return args


def ignored(given: list[str] | None) -> set[int | tuple[int, int, int]] | None:
    """Read numbers and colours that are no class."""
    if given is None or given == ['none']:
        return None if given is None else set()
    found = set()
    for each in given:
        parts = each.split(',')
        if len(parts) not in (1, 3) or not all(part.strip().isdigit() for part in parts):
            raise ValueError(f'--ignore {each}: give numbers (255), colours (0,0,0), or none')
        numbers = tuple(map(int, parts))
        found.add(numbers if len(parts) == 3 else numbers[0])
    return found


def request_of(args: argparse.Namespace) -> Request:
    """Put the command line together."""
    given = {key: value for key, value in vars(args).items() if key != 'out' and value is not None}
    for key in ('images', 'masks', 'val', 'val_masks'):
        if key in given:  # the next call may come from another folder
            given[key] = os.path.abspath(given[key])
    if len(given.get('classes', [])) == 1 and os.path.isfile(given['classes'][0]):
        given['classes'] = [os.path.abspath(given['classes'][0])]
    return Request(
        images=Path(given['images']),
        masks=Path(given['masks']),
        out=args.out,
        recipe=Recipe(folder_of('configs'), args.method or METHOD, args.backbone or BACKBONE),
        question=Question(
            given.get('classes', ()), args.encoding, ignored(args.ignore), args.mask_suffix
        ),
        val=Path(given['val']) if args.val else None,
        val_masks=Path(given['val_masks']) if args.val_masks else None,
        group=args.group or 'auto',
        seed=args.seed or 0,
        steps=args.steps,
        arguments=given,
    )


def progress(each: Iterable, number: int, what: str) -> Iterable:
    """Show how many files are opened."""
    return tqdm(each, what, number, leave=False)


def show(project: Project, out: Path) -> None:
    """Print what was found and made."""
    console = Console(soft_wrap=True, highlight=False)
    findings, sides, choices = project.findings, project.sides, project.choices
    longer, shorter = choices.photo
    masks = findings.mask_folder if project.folders.masks else out / ANNOTATIONS
    done = 'used as they are' if project.folders.masks else 'written as class ids'
    lines = {
        'photos': f'{len(findings.images)} that can be read, {longer} x {shorter} in the middle',
        'masks': f'{len(findings.pixels)}: {findings.encoding.what}; {done} in {masks}',
        'for training': f'{len(sides.train)} labelled, {len(sides.unlabeled)} unlabelled',
        'for validation': f'{len(sides.val)} labelled; {sides.how}',
        'read at': f'{choices.image_scale[0]} x {choices.image_scale[1]}, crops of '
        f'{choices.crop_size[0]} x {choices.crop_size[1]}, {choices.steps} steps ({project.machine})',
    }
    for name, text in lines.items():
        console.print(f'{name:<15} {text}', markup=False)
    console.print(class_table(project))
    notes = []
    if sides.related:
        notes.append(
            f'{sides.related} photos without a mask belong to those for validation and are left out '
            '(--group none takes them for training)'
        )
    if project.not_listed:
        notes.append(
            f'{project.not_listed} photos are not in the lists, which were changed by hand: delete '
            f'{out / "lists"} to have them drawn again'
        )
    if project.kept:
        notes.append(f'kept as changed by hand: {", ".join(project.kept)}')
    if not findings.class_source:
        notes.append(f'the classes have no names: write them into {out / "dataset.py"}')
    absent = [
        name
        for index, name in enumerate(findings.encoding.names)
        if not any(findings.pixels[each][index] for each in sides.train if each in findings.pixels)
    ]
    if absent:
        notes.append(f'no labelled photo for training shows {", ".join(absent)}')
    if not sides.unlabeled:
        notes.append('there is no photo without a mask, so there is no semi.py')
    if findings.problems:
        number = len(findings.problems)
        notes.append(f'{number} file{"s are" if number > 1 else " is"} left out:')
        notes += [f'  {problem}' for problem in findings.problems[:5]]
        if number > 5:
            notes.append(f'  and {number - 5} more, see {out / LEFT_OUT}')
    for note in notes:
        console.print(note, markup=False)


def class_table(project: Project) -> Table:
    """Make the table of the classes: photos on each side, and the share of the labelled pixels."""
    findings, sides = project.findings, project.sides
    pixels = {
        side: [findings.pixels[name] for name in getattr(sides, side) if name in findings.pixels]
        for side in ('train', 'val')
    }
    total = sum(sum(rows) for rows in pixels.values())
    stored = defaultdict(list)
    for value, index in findings.encoding.table.items():
        colored = findings.encoding.colored
        stored[index].append(','.join(map(str, color_of(value))) if colored else str(value))
    table = Table()
    columns = (
        'id',
        'class',
        'in the masks',
        'photos for training',
        'for validation',
        'pixels',
        'share',
    )
    for column in columns:
        table.add_column(column, justify='left' if column == 'class' else 'right')
    for index, name in enumerate([*findings.encoding.names, 'ignored']):
        last = index == len(findings.encoding.names)
        if last and not total[index]:
            break
        photos = [sum(row[index] > 0 for row in pixels[side]) for side in ('train', 'val')]
        values = stored[IGNORE_INDEX if last else index]
        table.add_row(
            '' if last else str(index),
            name,
            ' '.join(values[:3]) + (' ...' if values[3:] else ''),
            *map(str, photos),
            f'{total[index]:,}',
            f'{total[index] / total.sum():.1%}',
        )
    return table


def command(tool: str) -> str:
    """Return how a tool is called from here."""
    path = os.path.relpath(Path(__file__).with_name(tool))
    if path.startswith('..') or 'site-packages' in path:
        return f'mmseg-contrast {Path(tool).stem.replace("_", "-")}'
    return f'python {path}'


def main(argv: list[str] | None = None) -> None:
    """Make the project, draw what a training sees, and say what comes next."""
    args = parse_args(argv)
    with one_sentence(OSError, ValueError):
        project = make_project(request_of(args), progress)
    show(project, args.out)
    sys.stdout.flush()
    picture = args.out / 'seen.png'
    with one_sentence(RuntimeError):
        browse = tool_runner(Path(__file__).parent, 0)
        config = args.out / project.configs[-1]
        browse('analysis_tools/browse_dataset.py', str(config), '--out', str(picture), '--force')
    configs = ' '.join(str(args.out / name) for name in project.configs)
    print(f'look at {picture}, then train:\n  {command("compare.py")} {configs}')


if __name__ == '__main__':
    main()
