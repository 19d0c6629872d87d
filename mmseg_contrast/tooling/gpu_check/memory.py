"""Work that is made smaller until it fits into the memory of the card."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar('T')
Images = tuple[int, int]
# cuDNN and cuBLAS have sentences of their own.
_SAID = ('out of memory', 'CUDNN_STATUS_ALLOC_FAILED', 'CUBLAS_STATUS_ALLOC_FAILED')


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the card is full.

    Args:
        error (BaseException): The error.
    """
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)
    )


def halved(images: Images) -> Images | None:
    """Return half of the images of a step; None where it has as few as batch norm can do with.

    Args:
        images (tuple[int, int]): Numbers of labelled and unlabelled images.
    """
    labeled, unlabeled = (max(1, number // 2) if number else 0 for number in images)
    if (labeled, unlabeled) == images or labeled + unlabeled < 2:
        return None
    return labeled, unlabeled


def halve_until_it_fits(images: Images, work: Callable[[Images], T]) -> tuple[Images, T]:
    """Do work on the images of a step, on half of them where the memory does not suffice, and so on.

    Args:
        images (tuple[int, int]): Numbers of labelled and unlabelled images to begin with.
        work (Callable): Is given these numbers.

    Returns:
        tuple: The numbers that fit, and what the work returned.

    Raises:
        RuntimeError: The error of the card, where the smallest step does not fit either.
    """
    while True:
        try:
            return images, work(images)
        except RuntimeError as error:
            fewer = halved(images)
            if fewer is None or not is_out_of_memory(error):
                raise
        # Only here has the error let go of the frames that hold the tensors.
        images = fewer
        free_memory()


def free_memory() -> None:
    """Give back what is no longer used, to the card too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
