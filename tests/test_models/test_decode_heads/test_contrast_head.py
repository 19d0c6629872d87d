import torch

from mmseg_contrast.models.decode_heads.contrast_head import anchor_mean, class_sums, group_by_class


def test_sums_of_each_class_in_each_image():
    embedding = torch.randn(2, 4, 3, 3)
    labels = torch.randint(0, 3, (2, 3, 3))
    labels[0, 0], labels[1][labels[1] == 2] = 255, 1
    sums, counts = class_sums(embedding, labels, 3)
    assert sums.shape == (2, 3, 4) and counts.shape == (2, 3)
    for b in range(2):
        for c in range(3):
            own = embedding[b][:, labels[b] == c]
            assert counts[b, c] == own.shape[1]
            torch.testing.assert_close(sums[b, c], own.sum(1))
    assert counts[1, 2] == 0


def test_the_mean_over_anchors_is_zero_with_a_graph_without_any():
    total = torch.tensor(6.0, requires_grad=True)
    assert anchor_mean(total, torch.tensor(4)) == 1.5
    empty = anchor_mean(total * 0, torch.tensor(0))
    empty.backward()
    assert empty == 0 and total.grad == 0


def test_rows_of_a_class_stand_together():
    x = torch.arange(12).view(2, 3, 2)  # images, classes, anchors
    assert group_by_class(x).tolist() == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
