import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_contrast.models.decode_heads import ContrastHead
from mmseg_contrast.tooling.package_files import folder_of
from mmseg_contrast.tooling.training_step import (
    TrainingStep,
    images_of_a_step,
    random_batch,
    read_config,
    without_contrast,
)

CONFIGS = folder_of('configs')


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def test_the_whole_step_is_that_of_mmengine():
    """Also where its parts are called one by one, to be watched apart from the loading of the images."""
    cfg = Config.fromfile(CONFIGS / 'baselines/fixmatch-ema_mosaic.py')
    cfg.model.data_preprocessor.size = (32, 32)
    MessageHub.get_current_instance().update_info('iter', cfg.train_cfg.max_iters - 1)
    MessageHub.get_current_instance().update_info('max_iters', cfg.train_cfg.max_iters)
    batch, losses, weights = random_batch(cfg, 2, 2), [], []
    for as_mmengine in (False, True):
        torch.manual_seed(3)
        step = TrainingStep(cfg, batch, 'cpu')
        if as_mmengine:
            losses.append(step.model.train_step(batch, step.optim)['loss'])
        else:
            losses.append(step.whole())
        weights.append(
            torch.cat([p.detach().flatten() for p in step.model.decode_head.parameters()])
        )
    assert losses[0] > 0 and torch.equal(*losses) and torch.equal(*weights)


def test_forms_see_the_same_images():
    cfg = Config.fromfile(CONFIGS / 'c3semiseg/c3semiseg_mosaic.py')
    cfg.model.data_preprocessor.size = (32, 32)
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', cfg.train_cfg.max_iters - 1)
    step = TrainingStep(cfg, random_batch(cfg, 2, 3), 'cpu')
    assert step.shapes() == (torch.Size([5, 3, 32, 32]), torch.Size([3, 3, 32, 32]))


@pytest.mark.parametrize('method', ['memory_bank', 'csc'])
def test_banks_are_full(method):
    cfg = Config.fromfile(CONFIGS / f'{method}/{method}_mosaic.py')
    cfg.model.data_preprocessor.size = (32, 32)
    (bank,) = TrainingStep(cfg, random_batch(cfg, 2, 3), 'cpu').banks
    assert (bank.count == bank.size).all()
    if method == 'csc':
        torch.testing.assert_close(bank.sums, bank.rows.sum(1), rtol=1e-4, atol=1e-4)


def test_contrast_is_removed_from_a_copy():
    cfg = Config.fromfile(CONFIGS / 'c3semiseg/c3semiseg_mosaic.py')
    before = cfg.model.to_dict()
    bare = MODELS.build(without_contrast(cfg).model)
    assert not any(isinstance(module, ContrastHead) for module in bare.modules())
    assert cfg.model.to_dict() == before
    assert without_contrast(without_contrast(cfg)) is None


def test_a_step_of_unknown_images_is_one_sentence():
    cfg = Config.fromfile(CONFIGS / 'c3semiseg/c3semiseg_mosaic.py')
    cfg.train_dataloader.sampler = None
    with pytest.raises(ValueError, match='does not mix two sources'):
        images_of_a_step(cfg)


def test_a_backbone_that_is_told_not_to_load_weights_stays_so(tmp_path):
    config = tmp_path / 'timm.py'
    backbone = "dict(_delete_=True, type='TIMMBackbone', model_name='resnet18', pretrained=False)"
    config.write_text(
        f"_base_ = '{CONFIGS}/baselines/sup_mosaic.py'\nmodel = dict(backbone={backbone})\n"
    )
    assert read_config(str(config), {}).model.backbone.pretrained is False
