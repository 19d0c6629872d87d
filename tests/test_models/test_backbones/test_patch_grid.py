import pytest
import torch
import torch.nn.functional as F

from mmseg_contrast.models.backbones.patch_grid import on_patch_grid


def means(patch):
    """A backbone whose features are the means of the patches."""
    return lambda images: [F.avg_pool2d(images, patch)]


def ramp(height, width):
    """Images whose two channels are the row and the column of a pixel's centre."""
    rows = torch.arange(height, dtype=torch.float64) + 0.5
    columns = torch.arange(width, dtype=torch.float64) + 0.5
    return torch.stack(torch.meshgrid(rows, columns, indexing='ij'))[None]


def test_fitting_images_go_through_unchanged():
    images = torch.randn(2, 3, 28, 42)
    [stage] = on_patch_grid(means(14), images, 14)
    assert torch.equal(stage, F.avg_pool2d(images, 14))


@pytest.mark.parametrize(('height', 'width'), [(41, 56), (29, 30), (42, 55), (33, 100)])
def test_features_lie_where_a_head_expects_them(height, width):
    """The head resizes h x w cells to the image, so that each cell is H / h pixels high."""
    patch = 14
    [stage] = on_patch_grid(means(patch), ramp(height, width), patch)
    cells = -(-height // patch), -(-width // patch)
    assert stage.shape == (1, 2, *cells)
    found = (stage[0, 0, :, 0], stage[0, 1, 0])
    for values, number, size in zip(found, cells, (height, width)):
        centres = (torch.arange(number, dtype=torch.float64) + 0.5) * size / number
        # The border's patch has its last pixels repeated, which is all that may differ, and the first cell
        # has no neighbour to interpolate with.
        inner = (centres >= patch / 2) & (centres <= size - patch)
        torch.testing.assert_close(values[inner], centres[inner], rtol=0, atol=1e-4)
        assert (values - centres).abs().max() < patch / 2


def test_features_by_hand():
    # 3 pixels in patches of 2: cells of [1, 2] and [4, 4]; the image ends in the middle of the second.
    images = torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 1, 3).expand(1, 1, 2, 3)
    [stage] = on_patch_grid(means(2), images, 2)
    # Two cells of 1.5 pixels, with centres at 0.75 and 2.25 pixels; those of the patches lie at 1 and 3.
    expected = [1.5, 1.5 + (4 - 1.5) * (2.25 - 1) / 2]
    torch.testing.assert_close(stage.flatten(), torch.tensor(expected))


def test_padding_is_the_last_row_and_column_and_no_more_than_a_patch():
    seen = []
    on_patch_grid(lambda x: seen.append(x) or [x], torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 3)
    assert seen[0].tolist() == [[[[1, 2, 2], [3, 4, 4], [3, 4, 4]]]]


def test_the_type_of_the_features_stays_under_autocast():
    for dtype, net in {
        torch.float32: lambda x: [x],
        torch.bfloat16: lambda x: [x.bfloat16()],
    }.items():
        with torch.autocast('cpu', torch.bfloat16):
            [stage] = on_patch_grid(net, torch.randn(1, 1, 3, 3), 2)
        assert stage.dtype == dtype


def test_gradients_reach_the_features():
    images = torch.randn(1, 2, 5, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: on_patch_grid(means(2), x, 2)[0], images)
