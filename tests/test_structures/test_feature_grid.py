import torch

from mmseg_contrast.structures.feature_grid import align_labels


def test_labels_are_those_under_the_centres_and_padding_has_none():
    # an image of 6 x 8 seen at twice its size and padded to 16 x 16; a grid of 4 x 4 has cells of 4
    labels = torch.arange(48).view(6, 8)
    found = align_labels(labels, (4, 4), (12, 16), (16, 16))
    expected = torch.tensor([[9, 11, 13, 15], [25, 27, 29, 31], [41, 43, 45, 47], [255] * 4])
    assert torch.equal(found, expected)
    assert torch.equal(align_labels(labels, (6, 8), (6, 8), (6, 8)), labels)
