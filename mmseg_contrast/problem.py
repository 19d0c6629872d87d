"""What is wrong with a set-up, in one sentence for the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something that has to be mended.

    Attributes:
        place (str): Where: a file, a list, or a part of the data set.
        what (str): What is wrong there.
        remedy (str): What to do about it.
    """

    place: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.place}: {self.what}; {self.remedy}.'


class SetupError(ValueError):
    """Data, model or checkpoint that a run cannot use: one sentence for the user.

    Args:
        problem (Problem | str): What is wrong. A string as well, since a worker of the dataloader
            hands over the text alone.
    """

    def __init__(self, problem: Problem | str) -> None:
        super().__init__(str(problem))
        self.problem = problem
