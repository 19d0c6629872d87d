"""The runs of a benchmark file: their names, their order and their configs."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...files import sha256_of
from ...pseudo_labels.generate import MASKS
from ...pseudo_labels.label_rule import LabelRule
from ..chain import LABELS, PRETRAINED, TRAINED
from ..comparison_runs import describe
from ..overrides import read_config, refuse

ALL = 'all'
SINGLE = 'train'
# What a benchmark file assigns, and what stands in each entry below it.
_FILE = {'name', 'base', 'datasets', 'nets', 'methods', 'seeds', 'options'}
_ENTRIES = {
    'datasets': {'config', 'labels', 'options'},
    'nets': {'config', 'methods', 'options'},
    'methods': {'recipe', 'chain', 'pseudo_label', 'labels', 'options'},
}
_SET_HERE = {
    'randomness.seed': 'give seeds',
    'work_dir': 'give --work-dir',
    'resume': 'an interrupted run goes on by itself',
    'launcher': 'a run is one process',
    'labeled_list': 'give labels',
    'unlabeled_list': 'give labels',
}
_COMPOSITION = """\
_base_ = [
{bases}
]

from mmseg_contrast.datasets.loaders import train_loader

{variables}
data_preprocessor = dict(type=_base_.preprocessor, size=_base_.crop_size)
decode_head = dict(num_classes=_base_.num_classes)
model = dict(**_base_.method, data_preprocessor=data_preprocessor, decode_head=decode_head)
train_dataloader = train_loader(globals())
"""
# The second half of a chain adds the images that the first has labelled.
_PSEUDO_LABELED = f"""\
batch_size = 2 * _base_.batch_size
source_ratio = [1, 1]
pseudo_labels = '{LABELS}/{MASKS}'
"""
# A pretraining has no classifier to validate.
_WITHOUT_VALIDATION = 'val_cfg = val_dataloader = val_evaluator = None\n'


def compose(bases: Sequence[str], lists: Mapping[str, str | None], more: str = '') -> str:
    """Return the text of a config that is made of a recipe, a net and a data set.

    Args:
        bases (Sequence[str]): Paths of the three, relative to the config.
        lists (Mapping[str, str | None]): Lists of images by variable.
        more (str): More assignments of variables. Defaults to ''.
    """
    return _COMPOSITION.format(
        bases='\n'.join(f'    {base!r},' for base in bases),
        variables='\n'.join(f'{name} = {path!r}' for name, path in lists.items()) + f'\n{more}',
    )


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a benchmark: a method with a net on some labels of a data set, with a seed.

    Attributes:
        data (str): Name of the data set.
        labels (int | str): Number of labels, or 'all'.
        net (str): Name of the net.
        method (str): Name of the method.
        seed (int): Seed; also the fold of the lists.
        recipes (Mapping[str, Path]): The recipe of each stage.
        bases (tuple[Path, Path]): The configs of the net and of the data set.
        lists (Mapping[str, str | None]): Lists of images by variable of the config.
        options (Mapping[str, Any]): Changes of the config by dotted key; STAGE.KEY of one stage alone.
        rule (LabelRule | None): What the second half of a chain takes for labels.
    """

    data: str
    labels: int | str
    net: str
    method: str
    seed: int
    recipes: Mapping[str, Path]
    bases: tuple[Path, Path]
    lists: Mapping[str, str | None]
    options: Mapping[str, Any] = field(default_factory=dict)
    rule: LabelRule | None = None

    @property
    def name(self) -> str:
        """The name of the run and of its folder."""
        return f'{self.method}_{self.net}_{self.data}-{self.labels}_seed{self.seed}'

    def composition(self, stage: str, folder: Path) -> str:
        """Return the text of the config that the options change.

        Args:
            stage (str): The stage.
            folder (Path): Where the config will be; its bases are relative to it.
        """
        paths = (self.recipes[stage], *self.bases)
        text = compose(
            [Path(os.path.relpath(path, folder)).as_posix() for path in paths],
            self.lists,
            _PSEUDO_LABELED if stage in TRAINED[2:] else '',
        )
        return text + _WITHOUT_VALIDATION if stage in PRETRAINED else text

    @cached_property
    def configs(self) -> dict[str, Config]:
        """The config of each stage; each starts from the last weights of that before it."""
        found: dict[str, Config] = {}
        with tempfile.TemporaryDirectory() as folder:
            for stage in self.recipes:
                path = Path(folder).resolve() / f'{stage}.py'
                path.write_text(self.composition(stage, path.parent), encoding='utf-8')
                found[stage] = read_config(path, self._changes(stage), f'{self.name}: option')
        for stage, cfg in found.items():
            if 'max_iters' not in (cfg.get('train_cfg') or {}):
                raise ValueError(
                    f'{self.name}: {self.recipes[stage]} sets no train_cfg.max_iters: give a recipe that '
                    'trains by iterations'
                )
        for before, stage in pairwise(found):
            found[stage].load_from = f'{before}/iter_{found[before].train_cfg.max_iters}.pth'
        return found

    def _changes(self, stage: str) -> dict[str, Any]:
        general = {k: v for k, v in self.options.items() if k.partition('.')[0] not in TRAINED}
        own = {
            key.partition('.')[2]: value
            for key, value in self.options.items()
            if key.partition('.')[0] == stage
        }
        changes = {**general, **own}
        refuse(changes, _SET_HERE, f'{self.name}: option')
        return {**changes, 'randomness.seed': self.seed}

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the result depends on: settings by dotted key, with hashes of the files they name."""
        found = {stage: describe(cfg, 1) for stage, cfg in self.configs.items()}
        if [*found] == [SINGLE]:
            return found[SINGLE]
        values = {f'{stage}: {k}': v for stage, each in found.items() for k, v in each.items()}
        return {**values, **({'pseudo_label': asdict(self.rule)} if self.rule else {})}

    @property
    def config_hash(self) -> str:
        """A short hash of the manifest."""
        return sha256_of(json.dumps(self.manifest, sort_keys=True))[:12]

    @property
    def steps(self) -> int:
        """Iterations of all stages."""
        return sum(cfg.train_cfg.max_iters for cfg in self.configs.values())


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark file says.

    Attributes:
        name (str): Its name, and that of its folders of runs and results.
        runs (Sequence[Run]): All runs, in the order in which they are trained.
        methods (Sequence[str]): Names of the methods; the first is the baseline of the gains.
    """

    name: str
    runs: Sequence[Run]
    methods: Sequence[str]

    @property
    def baseline(self) -> str:
        """The method that gains are over."""
        return self.methods[0]

    def matching(self, patterns: Sequence[str]) -> list[Run]:
        """Return the runs whose names match one of some patterns.

        Args:
            patterns (Sequence[str]): Patterns such as ``c3semiseg_*_seed0``; none means all runs.

        Raises:
            ValueError: If a pattern matches no run.
        """
        names = [run.name for run in self.runs]
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                raise ValueError(
                    f'{pattern} matches no run of {self.name}: its first is {names[0]}'
                )
        return [
            run
            for run in self.runs
            if not patterns or any(fnmatch.fnmatchcase(run.name, each) for each in patterns)
        ]


def read_benchmark(path: Path, options: Mapping[str, Any] | None = None) -> Benchmark:
    """Read a benchmark file.

    It assigns ``name``; ``base``, the folder that other paths are relative to, itself relative to the
    file; ``datasets``, ``nets`` and ``methods``, entries by name; ``seeds``, for all runs or by number of
    labels; and ``options``, changes of all configs by dotted key. The entries hold

    - of a data set: ``config`` and ``labels``, the start of the lists by number of labels, in which
      ``{seed}`` is the fold: ``'data_lists/msrc21/msrc21.{seed}@21'``;
    - of a net: ``config`` and, if not all, the names of its ``methods``;
    - of a method: ``recipe``, or ``chain`` with a recipe for each of ``pretrain`` and ``finetune`` and,
      with ``pseudo_label``, the arguments of a :class:`LabelRule`, ``semi_pretrain`` and
      ``semi_finetune``; and
      ``labels='all'``, if it trains on all images of the data set, or the numbers of labels that it
      has runs for;
    - and of each, ``options``. Those of a method win over those of a net, these over those of a data
      set, and these over those of the file.

    Runs of the first seed come first, in the order of data sets, labels, nets and methods.

    Args:
        path (Path): The file.
        options (Mapping[str, Any], optional): More changes of all configs, which win over all others.
            Defaults to None.

    Raises:
        FileNotFoundError: If it, or a file that it names, is not there.
        ValueError: If something in it is missing or unknown.
    """
    file = _read(path)
    base = Path(os.path.normpath(path.parent / file.get('base', '.')))
    planned = [
        (seed_index, run)
        for data in file['datasets']
        for labels in (*file['datasets'][data]['labels'], ALL)
        for net in file['nets']
        for method in file['methods']
        if _is_asked(file, labels, net, method)
        for seed_index, seed in enumerate(_seeds(file, labels, path))
        for run in [_run(file, base, (data, labels, net, method, seed), path, options or {})]
    ]
    if not planned:
        raise ValueError(f'{path} asks for no run: give datasets, nets and methods that fit')
    runs = [run for _, run in sorted(planned, key=lambda pair: pair[0])]
    return Benchmark(file['name'], runs, [*file['methods']])


def _read(path: Path) -> dict[str, Any]:
    """Read the file and check its form."""
    file = read_config(path).to_dict()
    missing = sorted(_FILE - {'base', 'options'} - {*file})
    if missing:
        raise ValueError(
            f'{path} lacks {", ".join(missing)}: give a benchmark file, see docs/benchmark.md'
        )
    for kind, known in _ENTRIES.items():
        for name, entry in file[kind].items():
            unknown = sorted({*entry} - known)
            if unknown:
                raise ValueError(
                    f'{path}: {kind}.{name} has {unknown[0]}, which is unknown: use '
                    f'{", ".join(sorted(known))}'
                )
            if not re.fullmatch(r'[\w.+-]+', name):
                raise ValueError(
                    f'{path}: {kind}.{name!r} becomes the name of a folder: use letters, digits, '
                    'and the signs . + - _'
                )
    for name, net in file['nets'].items():
        for method in set(net.get('methods', ())) - {*file['methods']}:
            raise ValueError(f'{path}: nets.{name} asks for {method}, which is none of methods')
    for name, method in file['methods'].items():
        chain = tuple(method.get('chain', ()))
        if ('recipe' in method) == bool(chain) or chain not in ((), TRAINED[:2], TRAINED):
            raise ValueError(
                f'{path}: methods.{name} needs either a recipe, or a chain=dict(pretrain=..., finetune=...), '
                'which may go on with semi_pretrain and semi_finetune'
            )
        if ('pseudo_label' in method) != (chain == TRAINED):
            raise ValueError(
                f'{path}: methods.{name}: pseudo_label belongs to a chain with semi_pretrain and '
                'semi_finetune, and such a chain needs one: give both or none'
            )
    return file


def _is_asked(file: Mapping[str, Any], labels: int | str, net: str, method: str) -> bool:
    if method not in file['nets'][net].get('methods', file['methods']):
        return False
    asked = file['methods'][method].get('labels')
    if labels == ALL or asked == ALL:
        return labels == asked
    return asked is None or labels in asked


def _seeds(file: Mapping[str, Any], labels: int | str, path: Path) -> Sequence[int]:
    seeds = file['seeds']
    if isinstance(seeds, Mapping):
        if labels not in seeds:
            raise ValueError(f'{path}: seeds has none for {labels} labels: give {labels}: [0]')
        seeds = seeds[labels]
    return seeds


def _run(
    file: Mapping[str, Any],
    base: Path,
    key: tuple[str, int | str, str, str, int],
    path: Path,
    options: Mapping[str, Any],
) -> Run:
    data, labels, net, method, seed = key
    entries = (file['datasets'][data], file['nets'][net], file['methods'][method])
    recipes = entries[2].get('chain') or {SINGLE: entries[2]['recipe']}
    run = Run(
        *key,
        recipes={stage: base / recipe for stage, recipe in recipes.items()},
        bases=(base / entries[1]['config'], base / entries[0]['config']),
        lists=_lists(entries[0], labels, seed),
        rule=LabelRule(**entries[2]['pseudo_label']) if 'pseudo_label' in entries[2] else None,
        options={
            key: value
            for changes in (*(each.get('options', {}) for each in (file, *entries)), options)
            for key, value in changes.items()
        },
    )
    for needed in _files(run):
        if not needed.is_file():
            raise FileNotFoundError(f'{path}: {run.name} needs {needed}, which does not exist')
    return run


def _lists(dataset: Mapping[str, Any], labels: int | str, seed: int) -> dict[str, str | None]:
    if labels == ALL:
        return {'labeled_list': None}
    stem = dataset['labels'][labels].format(seed=seed)
    return {'labeled_list': f'{stem}.txt', 'unlabeled_list': f'{stem}-unlabeled.txt'}


def _files(run: Run) -> Iterator[Path]:
    yield from (*run.recipes.values(), *run.bases)
    yield from (Path(path) for path in run.lists.values() if path is not None)
