import pickle

import pytest

from mmseg_contrast.problem import Problem, SetupError

PROBLEM = Problem('a.png', 'the mask has 3 channels', 'save one')


def test_a_problem_is_one_sentence():
    assert str(PROBLEM) == 'a.png: the mask has 3 channels; save one.'


@pytest.mark.parametrize('problem', [PROBLEM, str(PROBLEM)])
def test_an_error_says_its_problem_in_other_processes_too(problem):
    error = SetupError(problem)
    assert isinstance(error, ValueError)
    assert error.problem == problem
    there = pickle.loads(pickle.dumps(error))
    assert isinstance(there, SetupError) and str(there) == str(PROBLEM)
