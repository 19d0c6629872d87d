import torch

from mmseg_contrast.structures import LabeledImages, PixelTargets, PseudoLabels


def test_no_image_is_of_the_same_size():
    targets = PixelTargets.from_labels(torch.zeros(2, 4, 6, dtype=torch.long))
    labeled = LabeledImages(torch.zeros(2, 3, 4, 6), targets, ['a', 'b'], 1)
    none = labeled.none()
    assert len(labeled) == 2 and len(none) == 0
    assert none.images.shape == (0, 3, 4, 6) and none.targets.labels.shape == (0, 4, 6)
    assert none.num_in_domain == 0 and not none.samples


def test_pseudo_labels_count_their_images():
    targets = PixelTargets.from_labels(torch.zeros(3, 4, 6, dtype=torch.long))
    assert len(PseudoLabels(targets)) == 3
    assert len(PseudoLabels(targets[:0])) == 0
