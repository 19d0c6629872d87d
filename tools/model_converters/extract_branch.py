"""Extract the teacher or the student as a plain MMSegmentation checkpoint, with its config.

What it writes runs without this package: test, inference and export are MMSegmentation's own.
"""

import argparse
import sys
from pathlib import Path

import torch

from mmseg_contrast.files import open_atomically, sha256_of, write_file
from mmseg_contrast.registration import register_all_modules
from mmseg_contrast.structures.step import BRANCHES
from mmseg_contrast.tooling.checkpoint import read_checkpoint
from mmseg_contrast.tooling.extract import check_fit, config_text, extract, own_types

EXAMPLE = """\
example:
  python tools/model_converters/extract_branch.py work_dirs/run1/iter_2000.pth teacher.pth \\
      --branch teacher
  writes teacher.pth and teacher.py, which MMSegmentation's own tools/test.py takes
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a semi-supervised run')
    parser.add_argument('out', type=Path, help='plain checkpoint; the config goes beside it as .py')
    parser.add_argument('--branch', choices=BRANCHES, required=True, help='which one to extract')
    parser.add_argument('--force', action='store_true', help='replace files that exist')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Extract, check and write."""
    args = parse_args(argv)
    if args.out.suffix == '.py':
        raise ValueError(f'{args.out} is the name of the config: give a name that ends in .pth')
    config_path = args.out.with_suffix('.py')
    present = [str(path) for path in (args.out, config_path) if path.exists()]
    if present and not args.force:
        raise FileExistsError(f'{" and ".join(present)} exists: choose another name, or --force')

    register_all_modules()
    plain, config = extract(read_checkpoint(args.checkpoint), args.branch)
    tensors = check_fit(plain, config)
    header = f'The {args.branch} of {args.checkpoint.name}, for MMSegmentation alone.'
    with open_atomically(args.out) as file:
        torch.save(plain, file)
    write_file(config_path, config_text(config, header))

    print(
        f'{args.out}: {tensors} tensors, each fits the plain model; sha256 {sha256_of(Path(args.out))}'
    )
    print(f'{config_path}: the config')
    ours = sorted(set(own_types(config)))
    if ours:
        print(f'note: {", ".join(ours)} exists in mmseg_contrast alone, so the config imports it')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
