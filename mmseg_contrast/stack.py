"""Which OpenMMLab stack is installed, and is it one that this package supports?

Two lines of distributions provide the same import names (``mmengine``, ``mmcv``, ``mmseg``): the
maintained ``onedl-*`` builds and the original OpenMMLab releases. They write into the same folders,
so neither can be a hard requirement of this package, and both together break each other. This
module uses the standard library alone, so that it can speak when everything else is missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Line:
    """One line of distributions that together make up the stack.

    Args:
        extra (str): Name of this package's extra that installs the line.
        minimum (Mapping[str, str]): Lowest supported version of each required distribution.
        installs (str): Arguments of the ``pip install`` that gets the line.
        others (tuple[str, ...]): Further distributions of the line, which write into the same
            folders as their counterparts in the other line.
    """

    extra: str
    minimum: Mapping[str, str]
    installs: str
    others: tuple[str, ...]

    @property
    def distributions(self) -> tuple[str, ...]:
        """All distributions by which the line is recognised."""
        return (*self.minimum, *self.others)


ONEDL = Line(
    extra='onedl',
    minimum={'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3', 'onedl-mmsegmentation': '1.4'},
    installs='"onedl-mmengine>=0.10.12" "onedl-mmcv>=2.3" "onedl-mmsegmentation>=1.4"',
    others=('onedl-mmpretrain',),
)
OPENMMLAB = Line(
    extra='openmmlab',
    minimum={'mmengine': '0.10', 'mmcv': '2.1', 'mmsegmentation': '1.2.2'},
    # MMSegmentation 1.2.2 refuses MMCV >= 2.2, and imports but does not require ftfy and regex.
    installs='"mmengine>=0.10" "mmcv>=2.1,<2.2" "mmsegmentation>=1.2.2" ftfy regex',
    others=('mmpretrain', 'mmcv-lite', 'mmcv-full', 'mmengine-lite'),
)
LINES = (ONEDL, OPENMMLAB)
TORCH_MINIMUM = '2.0'
TORCH_INSTALL = 'pip install torch==2.13.0'


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, padded to three, so that they compare.

    Args:
        version (str): Such as ``'2.13.0+cpu'`` or ``'0.10.8rc1'``.

    Returns:
        tuple[int, ...]: Such as ``(2, 13, 0)``.
    """
    numbers = re.match(r'\d+(\.\d+)*', version)
    parts = [int(part) for part in numbers.group().split('.')] if numbers else []
    return tuple((parts + [0, 0, 0])[:3])


def installed_versions() -> dict[str, str]:
    """Return the version of each installed distribution that matters to the stack."""
    versions = {}
    for name in ('torch', *(name for line in LINES for name in line.distributions)):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def find_line(versions: Mapping[str, str]) -> Line | None:
    """Return the one line that is installed, or None when there is none or a mixture.

    Args:
        versions (Mapping[str, str]): Installed distributions and their versions.
    """
    present = [line for line in LINES if any(name in versions for name in line.distributions)]
    return present[0] if len(present) == 1 else None


def diagnose(versions: Mapping[str, str]) -> str | None:
    """Say in one sentence what is wrong with the installed stack and which command mends it.

    Args:
        versions (Mapping[str, str]): Installed distributions and their versions.

    Returns:
        str | None: The sentence, or None when the stack is supported.
    """
    torch = versions.get('torch')
    if torch is None:
        return f'PyTorch is not installed; run: {TORCH_INSTALL}'
    if release(torch) < release(TORCH_MINIMUM):
        return f'torch {torch} is older than {TORCH_MINIMUM}; run: {TORCH_INSTALL}'

    found = {line.extra: [n for n in line.distributions if n in versions] for line in LINES}
    if all(found.values()):
        both = found['onedl'] + found['openmmlab']
        return (
            f'Two OpenMMLab stacks are mixed ({", ".join(both)}) and overwrite each other; '
            f'run: pip uninstall -y {" ".join(both)} && pip install {ONEDL.installs}'
        )
    line = find_line(versions)
    if line is None:
        return f'No OpenMMLab stack is installed; run: pip install {ONEDL.installs}'
    missing = [name for name in line.minimum if name not in versions]
    if missing:
        return f'{", ".join(missing)} is not installed; run: pip install {line.installs}'
    for name, minimum in line.minimum.items():
        if release(versions[name]) < release(minimum):
            old = f'{name} {versions[name]} is older than {minimum}'
            return f'{old}; run: pip install -U {line.installs}'
    return None


def check_stack() -> None:
    """Refuse an absent, mixed or too old stack.

    Raises:
        ImportError: With the one sentence of :func:`diagnose`.
    """
    sentence = diagnose(installed_versions())
    if sentence:
        raise ImportError(f'mmseg_contrast cannot be used: {sentence}')
