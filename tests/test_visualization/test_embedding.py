import numpy as np
import pytest
import torch
from torch import nn

from mmseg_contrast.models.memory import ClassMemoryBank
from mmseg_contrast.visualization.embedding import (
    PixelFeatures,
    draw_balanced,
    draw_embeddings,
    find_bank,
    project,
    separation,
)


def clusters(number=20, spread=0.05, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), number)
    vectors = np.eye(dim)[labels] + spread * rng.normal(size=(3 * number, dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def test_draw_is_balanced_and_ignores_255():
    labels = np.array([0] * 50 + [1] * 3 + [255] * 20)
    drawn = draw_balanced(labels, 10, np.random.default_rng(0))
    assert np.bincount(labels[drawn]).tolist() == [10, 3]
    assert len(set(drawn.tolist())) == 13
    assert draw_balanced(np.full(4, 255), 10, np.random.default_rng(0)).size == 0


def test_separation_by_hand():
    vectors = np.array([[1.0, 0], [0, 1], [-1, 0], [-1, 0]])
    labels = np.array([0, 0, 4, 4])
    measured = separation(vectors, labels)
    # means (1/2, 1/2) and (-1, 0)
    assert measured['intra'] == pytest.approx((0.5 + 1) / 2)
    assert measured['inter'] == pytest.approx(-0.5)
    tight, loose = (separation(*clusters(spread=s))['silhouette'] for s in (0.01, 0.5))
    assert 0.95 < tight <= 1 and loose < tight - 0.3
    assert np.isnan(separation(vectors[:2], labels[:2])['silhouette'])


@pytest.mark.parametrize('method', ['pca', 'tsne'])
def test_projections_keep_clusters_apart(method):
    vectors, labels = clusters()
    places = project(vectors, method, 0)
    assert places.shape == (60, 2)
    means = np.stack([places[labels == c].mean(0) for c in range(3)])
    within = max(places[labels == c].std(0).max() for c in range(3))
    gaps = [np.linalg.norm(means[a] - means[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > 2 * within
    assert np.array_equal(places, project(vectors, method, 0))


def test_projection_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match='2 pixels cannot be drawn'):
        project(np.eye(2), 'pca', 0)
    with pytest.raises(ValueError, match="method 'lda' is unknown"):
        project(np.eye(5), 'lda', 0)


def head_with_bank(counts, dim=6):
    bank = ClassMemoryBank(len(counts), 4, dim)
    bank.rows.normal_(std=3)
    bank.count.copy_(torch.tensor(counts))
    return nn.ModuleDict({'projector': nn.Conv2d(3, dim, 1), 'bank': bank})


def test_bank_is_that_of_the_head():
    first, second = head_with_bank([4, 0, 2]), head_with_bank([1, 1, 1])
    vectors, labels = find_bank(first)
    assert labels.tolist() == [0] * 4 + [2] * 2
    rows = first['bank'].rows
    expected = nn.functional.normalize(torch.cat([rows[0], rows[2, :2]]), dim=1)
    np.testing.assert_allclose(vectors, expected.numpy(), rtol=1e-6)
    assert find_bank(second)[1].tolist() == [0, 1, 2]
    assert find_bank(first['projector']) is None
    assert find_bank(head_with_bank([0, 0]))[0].shape == (0, 6), 'an empty bank'


@pytest.mark.parametrize('with_bank', [True, False])
def test_picture(with_bank):
    vectors, labels = clusters()
    bank = np.arange(60) % 4 == 0 if with_bank else np.zeros(60, bool)
    panels = {
        'one': PixelFeatures(vectors, labels, bank),
        'two': PixelFeatures(*clusters(spread=1.0, seed=1), np.zeros(60, bool)),
    }
    palette = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    picture, measures = draw_embeddings(panels, 'pca', 'abc', palette)
    assert picture.startswith(b'\x89PNG')
    assert list(measures) == ['one', 'two']
    assert measures['one'] == separation(vectors[~bank], labels[~bank])
    assert measures['one']['silhouette'] > measures['two']['silhouette']
