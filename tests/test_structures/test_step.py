import torch

from mmseg_contrast.structures import Features, PixelTargets, SemiStep


def targets(*labels):
    return PixelTargets.from_labels(torch.tensor(labels))


def test_features_of_some_of_the_images():
    features = Features([torch.arange(3.0)[:, None]], {'decode': torch.arange(3.0)}, torch.ones(3))
    some = features[1:]
    assert some.stages[0].tolist() == [[1], [2]]
    assert some.decode['decode'].tolist() == [1, 2]
    assert len(some.logits) == 2
    assert Features([])[:1].logits is None


def test_a_step_of_labels_alone():
    labeled = targets([[0, 1]], [[1, 1]])
    stages = [torch.ones(2, 4, 1, 2)]
    step = SemiStep.of_labels(stages, labeled)
    assert step.student.stages is stages and step.num_in_domain == 2
    assert len(step.pseudo) == 0 and step.teacher is None and not step.views
    assert step.align(stages[0]) is stages[0]
    assert torch.equal(step.targets.labels, labeled.labels)


def test_targets_are_those_of_all_images_and_only_the_first_are_in_the_domain():
    labeled, pseudo = targets([[0, 1]], [[1, 2]]), targets([[2, 0]])
    step = SemiStep(Features([]), labeled, pseudo, 1)
    assert step.targets.labels.tolist() == [[[0, 1]], [[1, 2]], [[2, 0]]]
    assert step.labeled_in_domain.labels.tolist() == [[[0, 1]]]
    assert step.labels_at((1, 2))[1] is None, 'the logits are not known'


def test_rejected_pixels_are_ignored_unless_they_are_asked_for():
    pseudo = PixelTargets(torch.tensor([[[2, 0]]]), torch.tensor([[[0.0, 0.5]]]))
    logits = torch.nn.functional.one_hot(torch.tensor([[[0, 1]], [[2, 1]]]), 3).permute(0, 3, 1, 2)
    step = SemiStep(Features([]), targets([[0, 1]]), pseudo, 1, logits=logits.float())
    labels, wrong = step.labels_at((1, 2))
    assert labels.tolist() == [[[0, 1]], [[255, 0]]]
    assert wrong.tolist() == [[[False, False]], [[True, True]]]
    labels, wrong = step.labels_at((1, 2), rejected=True)
    assert labels.tolist() == [[[0, 1]], [[2, 0]]]
    assert wrong.tolist() == [[[False, False]], [[False, True]]]
