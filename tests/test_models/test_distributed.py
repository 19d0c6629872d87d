import torch

from mmseg_contrast.models.distributed import reduce_mean


def test_one_process_gets_a_detached_copy():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    mean = reduce_mean(x)
    assert mean.tolist() == [1, 2]
    assert not mean.requires_grad
    mean += 1
    assert x.tolist() == [1, 2]
