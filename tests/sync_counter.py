"""Counts what would make a GPU wait for the host, on a machine without one."""

from collections import Counter
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_contrast.models import device as model_device

# These read a value or a data-dependent size back to the host.
SYNCING = {
    '_local_scalar_dense',
    'nonzero',
    '_unique',
    '_unique2',
    'unique_dim',
    'unique_consecutive',
    'unique_dim_consecutive',
    'masked_select',
    'bincount',
    'equal',
    'is_nonzero',
    'item',
}
INDEXING = {'index', 'index_put', 'index_put_', '_index_put_impl_'}
MASKS = (torch.bool, torch.uint8)


class SyncCounter(TorchDispatchMode):
    """Counts synchronising operators by name while it is entered, backward passes included.

    What reads values where that is free, on a CPU, goes the way of a GPU meanwhile.
    """

    def __init__(self):
        super().__init__()
        self.counts = Counter()
        self.as_on_a_gpu = mock.patch.object(model_device, 'FREE_DEVICES', frozenset())

    def __enter__(self):
        self.as_on_a_gpu.start()
        return super().__enter__()

    def __exit__(self, *error):
        self.as_on_a_gpu.stop()
        return super().__exit__(*error)

    @property
    def total(self):
        return sum(self.counts.values())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix('aten::')
        if name in SYNCING:
            self.counts[name] += 1
        elif name in INDEXING:
            if any(index is not None and index.dtype in MASKS for index in args[1]):
                self.counts[name] += 1
        elif name == 'repeat_interleave' and func._overloadname == 'Tensor':
            # Without a stated size the sum of the repeats has to be read.
            self.counts[name] += (kwargs or {}).get('output_size') is None
        return func(*args, **(kwargs or {}))
