"""The doctor: says what is installed, whether it works, and which command mends what does not.

Example:
    ``python -m mmseg_contrast.tooling.collect_env`` exits with 0 when training can work, else with 1.
"""

import platform
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata, util

from mmseg_contrast.stack import TORCH_INSTALL, diagnose, find_line, installed_versions
from mmseg_contrast.version import __version__

OPTIONAL = {
    'torchvision': (
        'torchvision',
        'backbones of MMPretrain',
        'pip install torchvision torch=={torch}',
    ),
    'skimage': ('scikit-image', 'the embedded data set', 'pip install scikit-image'),
    'sklearn': (
        'scikit-learn',
        'the embedded data set, embedding views',
        'pip install scikit-learn',
    ),
    'pycocotools': ('pycocotools', 'polygons of COCO', 'pip install pycocotools'),
    'tensorboard': ('tensorboard', 'TensorBoard logs', 'pip install tensorboard'),
    'pytest': ('pytest', 'the tests', 'pip install pytest pytest-xdist'),
}


@dataclass
class Finding:
    """One row of the report.

    Args:
        part (str): What was looked at.
        value (str): What was found.
        state (str): ``'ok'``, ``'optional'`` (missing, but training works) or ``'broken'``.
        remedy (str): The command that mends it, empty where nothing is to mend.
    """

    part: str
    value: str
    state: str = 'ok'
    remedy: str = ''


def attempt(part: str, look: Callable[[], str], remedy: str) -> Finding:
    """Run one look and turn any failure of it into a finding.

    Args:
        part (str): What is looked at.
        look (Callable[[], str]): Returns the value to report.
        remedy (str): The command to show when it fails.
    """
    try:
        return Finding(part, look())
    except (
        Exception
    ) as error:  # a broken stack fails in any way it likes, and the doctor must go on
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        return Finding(part, textwrap.shorten(reason, 200), 'broken', remedy)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f'CUDA {torch.version.cuda}, {len(names)} GPU: {", ".join(sorted(set(names)))}'
    return f'CPU, {torch.get_num_threads()} threads'


def _components() -> str:
    import mmseg.registry
    from mmengine import Registry

    from mmseg_contrast.registration import register_all_modules

    register_all_modules(init_default_scope=False)
    registries = [r for r in vars(mmseg.registry).values() if isinstance(r, Registry)]
    ours = {
        component
        for registry in registries
        for component in registry.module_dict.values()
        if component.__module__.startswith('mmseg_contrast.')
    }
    return f'{len(ours)} registered in mmseg.registry'


def _operations() -> str:
    """Train one step of a one-layer segmentation net and compare its loss with the closed form."""
    import math

    import torch
    from torch.nn import functional

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    net = torch.nn.Conv2d(3, 4, 3, padding=1).to(device)
    torch.nn.init.zeros_(net.weight)
    torch.nn.init.zeros_(net.bias)
    target = torch.zeros(1, 8, 8, dtype=torch.long, device=device)
    loss = functional.cross_entropy(net(torch.ones(1, 3, 8, 8, device=device)), target)
    loss.backward()
    if abs(loss.item() - math.log(4)) > 1e-4 or not net.weight.grad.abs().sum() > 0:
        raise RuntimeError(
            f'a convolution gave the loss {loss.item():.6f} in place of {math.log(4):.6f}'
        )
    return f'convolution, cross-entropy and gradient are right on {device}'


def examine(versions: Mapping[str, str]) -> list[Finding]:
    """Look at everything that training needs or can use.

    Args:
        versions (Mapping[str, str]): Installed distributions of the stack and their versions.

    Returns:
        list[Finding]: The rows of the report, in reading order.
    """
    findings = [
        Finding('mmseg_contrast', __version__),
        Finding('Python', f'{platform.python_version()} on {platform.platform()}'),
    ]

    complaint = diagnose(versions)
    what, _, remedy = (complaint or '').partition('; run: ')
    line = find_line(versions)
    findings.append(
        Finding('stack', what, 'broken', remedy)
        if complaint
        else Finding('stack', f'{line.extra} is complete and new enough')
    )
    findings += [Finding(name, version) for name, version in versions.items()]
    if 'torch' in versions:
        findings.append(attempt('device', _device, TORCH_INSTALL))
        findings.append(attempt('operations', _operations, TORCH_INSTALL))
    if not complaint:
        reinstall = f'pip install --force-reinstall --no-deps {line.installs}'
        findings.append(attempt('components', _components, reinstall))

    for module, (name, use, remedy) in OPTIONAL.items():
        if util.find_spec(module):
            findings.append(Finding(name, metadata.version(name)))
        else:
            remedy = remedy.format(torch=versions.get('torch', '2.13.0').split('+')[0])
            findings.append(Finding(name, f'absent; needed for {use}', 'optional', remedy))
    return findings


def show(findings: list[Finding]) -> None:
    """Print the findings as a table and the remedies as lines that can be copied.

    Args:
        findings (list[Finding]): Rows of the report.
    """
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:  # rich may be one of the things that are missing
        for finding in findings:
            print(f'{finding.part:22} {finding.state:9} {finding.value}')
    else:
        colors = {'ok': 'green', 'optional': 'yellow', 'broken': 'red'}
        table = Table('part', 'state', 'found')
        for finding in findings:
            color = colors[finding.state]
            table.add_row(finding.part, f'[{color}]{finding.state}[/]', finding.value)
        Console().print(table)
    for finding in findings:
        if finding.remedy:
            print(f'{finding.part} ({finding.state}): {finding.remedy}')


def main() -> int:
    """Print the report and return the exit code: 0 when training can work, else 1."""
    findings = examine(installed_versions())
    show(findings)
    broken = any(finding.state == 'broken' for finding in findings)
    print('Training cannot work yet.' if broken else 'Training can work.')
    return int(broken)


if __name__ == '__main__':
    sys.exit(main())
