from pathlib import Path

import pytest
from mmengine.config import Config

from mmseg_contrast.tooling import chain as module
from mmseg_contrast.tooling.chain import Request, read_chain

FOLDER = Path(__file__).parents[2] / 'configs' / 'label_efficient'


@pytest.mark.parametrize(
    ('data', 'labels', 'total', 'pretraining', 'expected'),
    [
        ('cityscapes', 149, 2975, True, (50000, 300000, 0.007)),
        ('cityscapes', 1000, 2975, True, (50000, 300000, 0.007)),
        ('cityscapes', 1192, 2975, True, (300000, 300000, 0.007)),
        ('cityscapes', 298, 2975, False, (300000, 600000, 0.03)),
        ('voc12aug', 529, 10582, True, (50000, 300000, 0.007)),
        ('voc12aug', 5295, 10582, True, (300000, 300000, 0.007)),
        ('voc12aug', 212, 10582, False, (300000, 600000, 0.03)),
        ('voc12aug', 5295, 10582, False, (600000, 600000, 0.03)),
    ],
)
def test_lengths_are_those_of_the_paper(monkeypatch, data, labels, total, pretraining, expected):
    """Section 5.3 of Zhao et al.: long above 1,000 (Cityscapes) and 2,500 (VOC) labels."""
    (path,) = FOLDER.glob(f'chain_deeplabv3plus*{data}*.py')
    chain = read_chain(path)
    request = Request(labels=str(labels), pretraining=pretraining)
    stages = {stage: Config.fromfile(chain.configs[stage]) for stage in request.stages}

    def count(source):
        return total - labels if 'unlabeled' in source.ann_file else labels

    monkeypatch.setattr(module, '_count_images', count)
    module._set_lengths(chain, request, stages)
    for stage, iterations in zip(('finetune', 'semi_finetune'), expected):
        cfg = stages[stage]
        assert cfg.train_cfg.max_iters == cfg.param_scheduler[-1].end == iterations
        assert cfg.optim_wrapper.optimizer.lr == expected[2]
        assert (cfg.load_from is None) != pretraining
    for stage in request.stages:
        if 'pretrain' in stage:
            assert stages[stage].train_cfg.max_iters == 300000


def test_what_names_a_stage_wins():
    request = Request(
        {'batch_size': 1, 'finetune.batch_size': 3, 'semi_pretrain.max_iters': 7},
        {'batch_size': 2},
        {'max_iters': 5, 'batch_size': 4},
    )
    assert request.changes('pretrain') == {'batch_size': 2}
    assert request.changes('finetune') == {'batch_size': 3, 'max_iters': 5}
    assert request.changes('semi_pretrain') == {'batch_size': 2, 'max_iters': 7}
    assert request.changes('semi_finetune') == {'batch_size': 4, 'max_iters': 5}
