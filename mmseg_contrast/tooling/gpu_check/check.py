"""A check, what it says, and how checks are run one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .memory import free_memory

Figure = Mapping[str, 'str | int | float | None']
PASSED, FAILED, SKIPPED = STATES = ('passed', 'failed', 'skipped')


@dataclass
class Settings:
    """What all checks are told.

    Attributes:
        device (str): ``'cuda'``, or ``'cpu'`` in a dry run, which cuts all sizes down and has no figures.
        repeats (int): Timed runs of each piece of work.
        seconds (float): Time that all checks may take together.
        started (float): When they began, by ``time.monotonic``.
    """

    device: str
    repeats: int = 5
    seconds: float = 480.0
    started: float = field(default_factory=time.monotonic)

    @property
    def dry(self) -> bool:
        """Whether there is no card, so that nothing is worth measuring."""
        return self.device == 'cpu'

    @property
    def seconds_left(self) -> float:
        """Time that is left."""
        return self.seconds - (time.monotonic() - self.started)


class CheckFailed(Exception):
    """What a check has found wrong.

    Args:
        said (str): One sentence.
        figures (Sequence[Figure]): What it has measured all the same.
    """

    def __init__(self, said: str, figures: Sequence[Figure] = ()) -> None:
        super().__init__(said)
        self.figures = list(figures)


class CheckSkipped(Exception):
    """Why a check cannot be made here, in one sentence."""


@dataclass(frozen=True)
class Said:
    """What a check that has passed says.

    Attributes:
        sentence (str): One sentence.
        figures (Sequence[Figure]): What it has measured; each names itself by ``what``.
    """

    sentence: str
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Check:
    """A named check.

    Attributes:
        name (str): Its name, such as ``'step/c3semiseg'``.
        run (Callable[[Settings], Said]): Makes it; raises :class:`CheckFailed`, :class:`CheckSkipped`, or
            anything else, which counts as failed.
    """

    name: str
    run: Callable[[Settings], Said]


@dataclass(frozen=True)
class Outcome:
    """How a check went.

    Attributes:
        name (str): Its name.
        state (str): ``'passed'``, ``'failed'`` or ``'skipped'``.
        said (str): One sentence.
        seconds (float): How long it took.
        figures (list[Figure]): What it has measured.
    """

    name: str
    state: str
    said: str
    seconds: float
    figures: list[Figure]


def run_checks(checks: Iterable[Check], settings: Settings) -> Iterator[Outcome]:
    """Make the checks; one that fails does not end the rest, and none begins when the time is over.

    Args:
        checks (Iterable[Check]): The checks, the most important ones first.
        settings (Settings): What they are told.

    Yields:
        Outcome: Of each check, as soon as it is over.
    """
    for check in checks:
        begun = time.monotonic()
        figures: Sequence[Figure] = ()
        if settings.seconds_left <= 0:
            state, said = (
                SKIPPED,
                f'the {settings.seconds / 60:g} minutes were over; give --minutes',
            )
        else:
            try:
                found = check.run(settings)
                state, said, figures = PASSED, found.sentence, found.figures
            except CheckSkipped as error:
                state, said = SKIPPED, str(error)
            except CheckFailed as error:
                state, said, figures = FAILED, str(error), error.figures
            except Exception as error:
                state, said = FAILED, f'{type(error).__name__}: {first_sentence(error)}'
        free_memory()  # else the next check measures what this one left
        seconds = round(time.monotonic() - begun, 2)
        yield Outcome(check.name, state, said, seconds, list(figures))


def first_sentence(error: BaseException) -> str:
    """Return the first line of what an error says that is not empty.

    Args:
        error (BaseException): The error.
    """
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), 'no reason given')[:300]
