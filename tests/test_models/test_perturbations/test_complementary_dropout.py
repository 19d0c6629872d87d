import pytest
import torch

from mmseg_contrast.models.perturbations import ComplementaryDropout

#: Stages of a ViT, all of one width, and of a CNN.
FEATURES = {
    'vit': [(12, 5, 7)] * 4,
    'cnn': [(8, 16, 20), (16, 8, 10), (32, 4, 5)],
}


def literal(views, masks, spared):
    """The published form, image by image and stage by stage."""
    out = [[stage.clone() for stage in stages] for stages in views]
    for i in range(len(out[0])):
        for b in range(len(out[0][i])):
            if b in spared:
                continue
            for d in range(out[0][i].shape[1]):
                m = masks[out[0][i].shape[1]][b][d]
                out[0][i][b, d] = views[0][i][b, d] * m
                out[1][i][b, d] = views[1][i][b, d] * (2 - m)
    return out


@pytest.mark.parametrize('kind', FEATURES)
def test_equals_a_literal_loop_with_gradient(kind):
    batch = 6
    views = [
        [
            torch.randn(batch, *shape, dtype=torch.float64, requires_grad=True)
            for shape in FEATURES[kind]
        ]
        for _ in range(2)
    ]
    got = ComplementaryDropout()(views)
    # The masks are read off the first view, and must explain all that happens.
    ratio = [(a / b).detach()[:, :, 0, 0].round() for a, b in zip(got[0], views[0])]
    masks = {r.shape[1]: r.tolist() for r in ratio}
    spared = [b for b in range(batch) if all((r[b] == 1).all() for r in ratio)]
    assert len(spared) == batch // 2
    expected = literal(views, masks, spared)
    weights = [[torch.randn_like(stage) for stage in stages] for stages in views]

    def gradients(outputs):
        total = sum((w * x).sum() for ws, xs in zip(weights, outputs) for w, x in zip(ws, xs))
        return torch.autograd.grad(total, [stage for stages in views for stage in stages])

    for ours, theirs in zip(got, expected):
        for a, b in zip(ours, theirs):
            assert torch.equal(a, b)
    for a, b in zip(gradients(got), gradients(expected)):
        assert torch.equal(a, b)


@pytest.mark.parametrize('kind', FEATURES)
def test_each_channel_survives_in_one_view(kind):
    views = [[torch.ones(64, *shape) for shape in FEATURES[kind]] for _ in range(2)]
    first, second = ComplementaryDropout(spared=0.25)(views)
    for a, b in zip(first, second):
        assert torch.equal(a + b, torch.full_like(a, 2.0))
        pixels = a.flatten(2)
        assert (pixels == pixels[:, :, :1]).all(), 'whole channels'
        touched = (pixels[:, :, 0] != 1).all(1)
        assert int(touched.sum()) == 48
        kept = pixels[touched, :, 0]
        assert set(kept.unique().tolist()) == {0.0, 2.0}
        assert float((kept == 2).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_stages_of_equal_width_share_their_mask():
    views = [[torch.ones(8, 40, 3, 3), torch.ones(8, 40, 2, 2), torch.ones(8, 24, 3, 3)]] * 2
    first, _ = ComplementaryDropout(spared=0.0)(views)
    assert torch.equal(first[0][:, :, 0, 0], first[1][:, :, 0, 0])
    assert not torch.equal(first[0][:, :24, 0, 0], first[2][:, :, 0, 0])


def test_keeps_the_dtype():
    views = [[torch.ones(4, 8, 2, 2, dtype=torch.bfloat16)]] * 2
    assert all(
        stage.dtype == torch.bfloat16 for view in ComplementaryDropout()(views) for stage in view
    )


def test_the_share_is_checked():
    with pytest.raises(ValueError, match=r'spared=1\.5'):
        ComplementaryDropout(1.5)
