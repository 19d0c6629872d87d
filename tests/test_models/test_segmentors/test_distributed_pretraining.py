"""Two processes with batch B take the pretraining step of one process with batch 2B."""

import pytest
import torch
from distributed_pretraining import VARIANTS, model_and_batch, run, step

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason='torch was built without gloo',
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    # Forked: importing everything anew would take most of the test's time.
    torch.multiprocessing.start_processes(run, (2, str(folder)), nprocs=2, start_method='fork')
    return folder


@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('variant', VARIANTS)
def test_loss_and_gradients_are_equal(folder, variant, include_self):
    whole = step(*model_and_batch(variant, include_self))
    first, second = (torch.load(folder / f'{variant}_{include_self}_{r}.pth') for r in range(2))
    torch.testing.assert_close((first['loss'] + second['loss']) / 2, whole['loss'])
    assert abs(float(first['loss'] - second['loss'])) > 1e-3
    for name, value in whole['grads'].items():
        assert torch.equal(first['grads'][name], second['grads'][name]), name
        assert float(value.abs().sum()) > 0, name
        torch.testing.assert_close(first['grads'][name], value, rtol=1e-3, atol=1e-6, msg=name)
