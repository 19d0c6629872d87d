"""Checks of arguments; their sentences name the class, the argument, its value and what to use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def one_of(owner: object, known: Sequence[str], optional: bool = False, **values: Any) -> None:
    """Refuse values that are not among the known ones.

    Args:
        owner (object): Object whose arguments they are, or the name to give in the error.
        known (Sequence[str]): What is known.
        optional (bool): Whether None is known too.
        values: The arguments by name.

    Raises:
        ValueError: If a value is another.
    """
    for key, value in values.items():
        if value not in known and not (optional and value is None):
            choice = f'{tuple(known)} or None' if optional else tuple(known)
            raise ValueError(f'{_name(owner)}({key}={value!r}) is unknown: use one of {choice}.')


def in_range(owner: object, interval: str, what: str, **values: float | None) -> None:
    """Refuse numbers outside an interval; None passes.

    Args:
        owner (object): Object whose arguments they are, or the name to give in the error.
        interval (str): As in mathematics, such as ``'(0, 1]'`` or ``'(0, inf)'``.
        what (str): What the number is, for the error.
        values: The arguments by name.

    Raises:
        ValueError: If a number lies outside.
    """
    low, high = (float(end) for end in interval[1:-1].split(','))
    for key, value in values.items():
        if value is None:
            continue
        above = value > low if interval[0] == '(' else value >= low
        below = value < high if interval[-1] == ')' else value <= high
        if not (above and below):
            raise ValueError(f'{_name(owner)}({key}={value}) is {what}: use {interval}.')


def at_least(owner: object, lowest: float, optional: bool = False, **values: float | None) -> None:
    """Refuse numbers that are too low.

    Args:
        owner (object): Object whose arguments they are, or the name to give in the error.
        lowest (float): Lowest number that passes.
        optional (bool): Whether None passes too.
        values: The arguments by name.

    Raises:
        ValueError: If a number is lower.
    """
    for key, value in values.items():
        if not (optional and value is None) and not value >= lowest:
            remedy = ', or None' if optional else ''
            raise ValueError(f'{_name(owner)}({key}={value}) must be at least {lowest}{remedy}.')


def _name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
