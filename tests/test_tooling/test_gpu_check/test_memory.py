"""The batch is halved where the memory of the card does not suffice, and nowhere else."""

import gc
import weakref

import pytest
import torch

from mmseg_contrast.tooling.gpu_check.memory import (
    halve_until_it_fits,
    halved,
    is_out_of_memory,
)

FULL = torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.')


@pytest.mark.parametrize(
    ('images', 'fewer'),
    [
        ((8, 8), (4, 4)),
        ((5, 2), (2, 1)),
        ((2, 1), (1, 1)),
        ((1, 1), None),
        ((4, 0), (2, 0)),
        ((2, 0), None),  # batch norm of the pooled image needs two
    ],
)
def test_half_of_the_images(images, fewer):
    assert halved(images) == fewer


def test_as_many_as_fit():
    tried = []

    def work(images):
        tried.append(images)
        if sum(images) > 5:
            raise FULL
        return 'fits'

    assert halve_until_it_fits((16, 8), work) == ((2, 1), 'fits')
    assert tried == [(16, 8), (8, 4), (4, 2), (2, 1)]


def test_what_the_failed_step_held_is_free_before_the_next():
    held = []

    def work(images):
        assert not any(each() is not None for each in held)
        step = torch.nn.Linear(3, 3)
        step.itself = step.forward  # a cycle, as modules have
        held.append(weakref.ref(step))
        if len(held) < 3:
            raise RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED')

    gc.disable()
    try:
        images, _ = halve_until_it_fits((8, 8), work)
    finally:
        gc.enable()
    assert images == (2, 2)


def test_the_smallest_step_and_other_errors_are_raised():
    def full(images):
        raise FULL

    def wrong(images):
        raise RuntimeError('shapes do not fit')

    with pytest.raises(torch.OutOfMemoryError):
        halve_until_it_fits((4, 4), full)
    with pytest.raises(RuntimeError, match='shapes do not fit'):
        halve_until_it_fits((4, 4), wrong)


def test_what_says_that_the_memory_is_full():
    assert is_out_of_memory(FULL)
    assert is_out_of_memory(RuntimeError('CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate'))
    assert not is_out_of_memory(RuntimeError('an illegal memory access'))
    assert not is_out_of_memory(ValueError('out of memory'))
