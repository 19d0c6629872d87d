"""Packaging. Imports neither torch nor the stack, so that it works in an isolated build."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mmseg_contrast'
# What `mim` looks for under `mmseg_contrast/.mim`.
MIM = ('configs', 'tools', 'data_lists', 'model-index.yml')


def read_version() -> str:
    text = (ROOT / PACKAGE / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


def read_requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


class BuildWithMim(build_py):
    """Puts configs and tools under `.mim`: copies in a wheel, links in an editable install."""

    def run(self) -> None:
        super().run()
        folder = ROOT / PACKAGE if self.editable_mode else Path(self.build_lib) / PACKAGE
        mim = folder / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM:
            source = ROOT / name
            if self.editable_mode:
                (mim / name).symlink_to(Path('..', '..', name), target_is_directory=source.is_dir())
            elif source.is_dir():
                shutil.copytree(
                    source, mim / name, ignore=shutil.ignore_patterns('__pycache__', '*.pyc')
                )
            else:
                shutil.copy2(source, mim / name)


extras = {
    name: read_requirements(name)
    for name in (
        'onedl',
        'openmmlab',
        'mmpretrain',
        'transformers',
        'demo',
        'polygons',
        'tests',
        'docs',
    )
}
# The two stacks exclude each other; `all` takes the maintained one.
extras['all'] = [
    line
    for name in ('onedl', 'mmpretrain', 'transformers', 'demo', 'polygons', 'tests')
    for line in extras[name]
]

setup(
    name='mmseg-contrast',
    version=read_version(),
    description='Semi-supervised and contrastive learning for MMSegmentation',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The mmseg_contrast authors',
    license='Apache-2.0',
    keywords='semantic segmentation, semi-supervised learning, contrastive learning, OpenMMLab',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={f'{PACKAGE}.report': ['*.j2']},
    install_requires=read_requirements('runtime'),
    extras_require=extras,
    entry_points={'console_scripts': ['mmseg-contrast = mmseg_contrast.tooling.commands:main']},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
