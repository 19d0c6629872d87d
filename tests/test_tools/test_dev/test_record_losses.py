import pytest


@pytest.fixture
def tool(load_tool):
    return load_tool('dev/record_losses.py')


def test_names_the_first_step_that_differs(tool):
    old = {'a': [{'loss': 1.0}, {'loss': 0.5, 'sup': 0.25}], 'b': [{'loss': 2.0}]}
    new = {'a': [{'loss': 1.0}, {'loss': 0.5, 'sup': 0.26}], 'b': [{'loss': 2.0}]}
    assert tool.differences(old, old) == []
    assert tool.differences(old, new) == ['a, step 1: 1 of 2 differ: sup 0.25 -> 0.26']


def test_a_lost_term_or_config_is_a_difference(tool):
    old = {'a': [{'loss': 1.0, 'sup': 1.0}], 'b': [{}]}
    new = {'a': [{'loss': 1.0}], 'c': [{}]}
    assert tool.differences(old, new) == [
        'a, step 0: 1 of 2 differ: sup 1.0 -> None',
        'b: only in the first',
        'c: only in the second',
    ]


def test_lowers_thresholds_wherever_they_are(tool):
    model = {'selector': {'threshold': 0.95}, 'heads': [{'confidence': None}, {'bank': 3}]}
    tool.let_pixels_through(model)
    assert model == {'selector': {'threshold': 0.3}, 'heads': [{'confidence': 0.0}, {'bank': 3}]}
