"""What parts of a decode head get to see."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

DECODE = 'decode'


def record_input(head: nn.Module, where: str) -> None:
    """Keep what a part of a decode head gets in each forward, for :func:`take_inputs`.

    Args:
        head (nn.Module): The decode head.
        where (str): ``'decode'``, the feature that the head classifies, before its dropout; or
            ``'decode.<part>'``, the input of that submodule as it is: ``'decode.conv_seg'`` is the
            same feature after the dropout.

    Raises:
        ValueError: If the head has no such part.
    """
    part = _part(where)
    try:
        module = head.get_submodule(part)
    except AttributeError:
        raise ValueError(
            f"in_index='{where}' needs a decode head with '{part}', {type(head).__name__} has none: "
            'give the contrast head another part, or a backbone stage as in_index.'
        ) from None
    module.register_forward_pre_hook(_keep_input)
    if where == DECODE and (dropout := _dropout(head)) is not None:
        dropout.register_forward_hook(_keep_input_and_output)


def take_inputs(head: nn.Module, wheres: Sequence[str]) -> dict[str, Tensor]:
    """Return what the last forward of a decode head kept, and let the head forget it.

    Args:
        head (nn.Module): The decode head.
        wheres (Sequence[str]): Arguments of :func:`record_input`.

    Returns:
        dict[str, Tensor]: The features, of those parts that the forward went through.
    """
    taken = {}
    dropped, kept = vars(_dropout(head) or head).pop('dropped', (None, None))
    for where in wheres:
        seen = vars(head.get_submodule(_part(where))).get('seen')
        if seen is not None:
            taken[where] = dropped if where == DECODE and seen is kept else seen
    for where in wheres:
        # It would keep the graph alive.
        vars(head.get_submodule(_part(where))).pop('seen', None)
    return taken


def _part(where: str) -> str:
    return where.partition('.')[2] or 'conv_seg'


def _dropout(head: nn.Module) -> nn.Module | None:
    dropout = getattr(head, 'dropout', None)
    return dropout if isinstance(dropout, nn.Module) else None


# On the module itself and not in a closure, so that copies of the model keep their own.
def _keep_input(module: nn.Module, args: tuple[Tensor]) -> None:
    module.seen = args[0]


def _keep_input_and_output(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
    # Some heads use their dropout elsewhere too: its output tells whether the classifier got it.
    module.dropped = args[0], output
