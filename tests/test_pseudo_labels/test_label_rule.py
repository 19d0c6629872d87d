import pytest

from mmseg_contrast.pseudo_labels.label_rule import LabelRule


def test_thresholds_by_name():
    assert LabelRule(class_thresholds={'b': 0.97}).thresholds('ab') == {'a': 0.8, 'b': 0.97}
    with pytest.raises(ValueError, match=r"no class 'raod' .*did you mean 'road'"):
        LabelRule(class_thresholds={'raod': 0.5}).thresholds(['road', 'sky'])
    with pytest.raises(ValueError, match=r'the classes are road, sky'):
        LabelRule(class_thresholds={'x': 0.5}).thresholds(['road', 'sky'])
    with pytest.raises(ValueError, match=r'threshold 1 of sky'):
        LabelRule(class_thresholds={'sky': 1}).thresholds(['road', 'sky'])


@pytest.mark.parametrize('keep_ratio', [0.0, 1.1])
def test_a_rule_that_is_none(keep_ratio):
    with pytest.raises(ValueError, match=f'keep_ratio={keep_ratio} is no share'):
        LabelRule(keep_ratio=keep_ratio)
