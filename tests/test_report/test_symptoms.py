import pytest

from mmseg_contrast.report.symptoms import drifts


@pytest.mark.parametrize(
    ('known', 'taught', 'said'),
    [
        (0.1, 0.1, False),
        (0.1, 0.2, True),  # twice as much
        (0.1, 0.199, False),
        (0.001, 0.019, False),  # below 2 % of the labels
        (0.001, 0.02, True),
        (0.1, 0.025, True),  # a quarter
        (0.1, 0.026, False),
        (0.004, 0.0, False),  # below 0.5 % of the masks
        (0.005, 0.0, True),
    ],
)
def test_a_class_drifts_when_its_shares_differ_much(known, taught, said):
    assert drifts(known, taught) is said
