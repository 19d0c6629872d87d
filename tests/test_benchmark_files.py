"""The files of `configs/benchmarks`: all runs have lists and configs that fit their data."""

from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_contrast.tooling.benchmark.plan import read_benchmark

ROOT = Path(__file__).parents[1]
FILES = sorted(ROOT.glob('configs/benchmarks/*.py'))


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_each_composition_is_read_and_fits_its_data(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    init_default_scope('mmseg')
    benchmark = read_benchmark(path)
    assert benchmark.name == path.stem
    firsts = {(run.data, run.labels, run.net, run.method): run for run in reversed(benchmark.runs)}
    for run in firsts.values():
        for cfg in run.configs.values():
            for dataset in cfg.train_dataloader.dataset.datasets[:1]:
                classes = DATASETS.get(dataset.type).METAINFO['classes']
                assert cfg.model.decode_head.num_classes == len(classes), run.name
