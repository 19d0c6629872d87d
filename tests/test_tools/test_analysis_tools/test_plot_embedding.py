import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

sys.path.insert(0, str(Path(__file__).parents[2]))

from helpers import (
    CHANNELS,
    TinySemiDataset,
    bank_contrast_cfg,
    build,
    contrast_cfg,
    head_cfg,
    plain_cfg,
    runner_cfg,
    semi_cfg,
    validation_cfg,
)

TOOL = 'analysis_tools/plot_embedding.py'
ITERS, IMAGES, BANK_SIZE = 4, 3, 8
# As wide as the classifier's input: by its width, a bank would fit to both.
HEADS = {
    'CSC': {
        'type': 'CSCContrastHead',
        'in_channels': CHANNELS,
        'channels': CHANNELS,
        'in_index': 0,
        'samples_per_class': 4,
        'enqueue_per_class': 1,
        'projector': {'type': 'VisibleProjector'},
        'bank': {'type': 'ConsistencySeparationModule', 'size': BANK_SIZE},
    },
    'memory bank': bank_contrast_cfg(
        channels=CHANNELS, bank={'type': 'ClassMemoryBank', 'size': BANK_SIZE}, confidence=None
    ),
}


@pytest.fixture
def tool(load_tool):
    init_default_scope('mmseg')
    return load_tool(TOOL)


@pytest.fixture(scope='module', params=HEADS)
def run(request, tmp_path_factory):
    """A config, a checkpoint and the model after a short training that fills the bank."""
    folder = tmp_path_factory.mktemp('run')
    model = semi_cfg(size=(16, 16), auxiliary_head=[HEADS[request.param]], mixing=None)
    hooks = [{'type': 'MeanTeacherHook'}, {'type': 'MemoryBankHook'}]
    runner = Runner.from_cfg(runner_cfg(folder, model, ITERS, hooks=hooks))
    runner.train()
    loader = validation_cfg(1, 1)['val_dataloader']
    Config({'model': model, 'test_dataloader': loader}).dump(folder / 'config.py')
    return folder / 'config.py', folder / f'iter_{ITERS}.pth', runner.model.eval()


def draw(tool, run, out, feature, monkeypatch):
    """Run the tool; return what it has drawn."""
    config, checkpoint, _ = run
    panels, draw_embeddings = {}, tool.draw_embeddings

    def watched(given, *options):
        panels.update(given)
        return draw_embeddings(given, *options)

    monkeypatch.setattr(tool, 'draw_embeddings', watched)
    numbers = [f'--images={IMAGES}', f'--pixels={BANK_SIZE}', '--device=cpu', '--method=pca']
    files = ['--run', 'tiny', str(config), str(checkpoint), f'--out={out}']
    tool.main([*files, *numbers, f'--feature={feature}'])
    assert out.read_bytes().startswith(b'\x89PNG')
    return panels['tiny']


def preprocessed(model):
    images = list(TinySemiDataset(IMAGES, branches=False).images)
    return model.data_preprocessor({'inputs': images})['inputs']


def unit_pixels(features):
    return F.normalize(features, dim=1).transpose(0, 1).flatten(1).T.numpy()


def assert_among(rows, expected):
    """Each row is one of those expected."""
    nearest = np.linalg.norm(rows[:, None] - expected, axis=2).min(1)
    np.testing.assert_allclose(nearest, 0, atol=1e-5)


def test_the_bank_is_drawn_among_the_embeddings_of_its_head(
    tool, run, tmp_path, monkeypatch, capsys
):
    panel = draw(tool, run, tmp_path / 'embedding.png', 'embedding', monkeypatch)
    model = run[2]
    head = model.auxiliary_head[0]
    counts = head.bank.count.tolist()
    assert sum(counts) > 0 and np.bincount(panel.labels[panel.bank]).tolist() == counts
    for label, count in enumerate(counts):
        rows = panel.vectors[panel.bank & (panel.labels == label)]
        assert_among(F.normalize(head.bank.rows[label, :count], dim=1).numpy(), rows)
    with torch.no_grad():
        embedding = head.embed(model.student_features(preprocessed(model)))
    assert len(set(panel.labels[~panel.bank])) == 3
    assert_among(panel.vectors[~panel.bank], unit_pixels(embedding))
    assert f'{(~panel.bank).sum()} │' in (printed := capsys.readouterr().out)
    assert f'{sum(counts)} │' in printed


def test_no_bank_is_drawn_among_the_inputs_of_the_classifier(tool, run, tmp_path, monkeypatch):
    panel = draw(tool, run, tmp_path / 'classifier.png', 'classifier', monkeypatch)
    model = run[2]
    assert panel.vectors.shape[1] == model.auxiliary_head[0].bank.channels
    assert not panel.bank.any()
    with torch.no_grad():
        inputs = model.decode_head._forward_feature(model.extract_feat(preprocessed(model)))
    assert_among(panel.vectors, unit_pixels(inputs))


def embedding_of(model, images):
    head = model.auxiliary_head[0]
    with torch.no_grad():
        return head.projector(model.extract_feat(images)[1])


DEEPLABV2 = {
    'type': 'DeepLabV2Head',
    'in_channels': CHANNELS,
    'in_index': 1,
    'num_classes': 3,
    'dilations': (1, 2),
}


def test_deeplabv2_classifies_its_stage(tool):
    model = build(semi_cfg(decode_head=DEEPLABV2, auxiliary_head=[contrast_cfg()]), train=False)
    images = torch.randn(2, 3, 16, 16)
    stage = model.extract_feat(images)[1]
    assert torch.equal(tool.read_classifier_input(model, images), stage)
    torch.testing.assert_close(tool.read_embedding(model, images), embedding_of(model, images))


def test_a_cascade_is_read_at_its_last_head(tool):
    last = head_cfg(type='OCRHead', ocr_channels=4, norm_cfg={'type': 'BN'})
    for key in ('num_convs', 'concat_input'):
        del last[key]
    contrast = contrast_cfg(num_classes=3)
    cfg = plain_cfg(decode_head=[head_cfg(), last], num_stages=2, auxiliary_head=[contrast])
    model = build({**cfg, 'type': 'CascadeEncoderDecoder'}, train=False)
    images = torch.randn(2, 3, 16, 16)
    features = tool.read_classifier_input(model, images)
    logits = model(images, mode='tensor')
    torch.testing.assert_close(model.decode_head[1].conv_seg(features), logits)
    torch.testing.assert_close(tool.read_embedding(model, images), embedding_of(model, images))


def test_a_pretraining_is_read_before_and_behind_its_projector(tool):
    model = build(plain_cfg(type='ContrastivePretrainer', loss_size=None), train=False)
    images = torch.randn(2, 3, 16, 16)
    features = tool.read_classifier_input(model, images)
    torch.testing.assert_close(features, model(images, mode='tensor'))
    embedding = F.normalize(tool.read_embedding(model, images), dim=1)
    torch.testing.assert_close(embedding, model.embed(images))


def test_a_head_without_classifier_is_one_sentence_unless_its_embedding_is_drawn(tool):
    model = build(plain_cfg(auxiliary_head=[contrast_cfg(num_classes=3)]), train=False)
    images = torch.randn(1, 3, 16, 16)
    model.decode_head.classify = model.decode_head.__dict__['_modules'].pop('conv_seg')
    with pytest.raises(ValueError, match=r"FCNHead has no 'conv_seg'.*use --feature embedding"):
        tool.read_classifier_input(model, images)
    torch.testing.assert_close(tool.read_embedding(model, images), embedding_of(model, images))
    with pytest.raises(ValueError, match='this EncoderDecoder has no contrast head'):
        tool.read_embedding(build(plain_cfg(), train=False), images)


def test_help_has_an_example(tool, capsys):
    with pytest.raises(SystemExit):
        tool.main(['--help'])
    assert 'python tools/analysis_tools/plot_embedding.py' in capsys.readouterr().out
