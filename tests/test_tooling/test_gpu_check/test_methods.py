"""Each method has its paper's net and size, and starts without a download."""

import pytest
from mmseg.registry import MODELS

from mmseg_contrast.tooling.gpu_check.methods import METHODS
from mmseg_contrast.tooling.training_step import images_of_a_step

SIZES = {
    'c3semiseg': ((256, 512), (4, 4), 101),
    'memory_bank': ((512, 512), (5, 2), 101),
    'csc': ((640, 640), (2, 2), 101),
    'fixmatch': ((256, 512), (4, 4), 101),
    'unimatch': ((256, 512), (4, 4), 101),
    'unimatch_v2': ((801, 801), (2, 2), 101),
    'label_efficient': ((513, 513), (4, 0), 50),
    'labels_alone': ((640, 640), (2, 0), 101),
}


def test_all_methods_are_there():
    assert [method.name for method in METHODS] == list(SIZES)


@pytest.mark.parametrize('method', METHODS, ids=lambda method: method.name)
def test_the_size_is_the_papers(method):
    cfg = method.large()
    size, images, depth = SIZES[method.name]
    assert tuple(cfg.model.data_preprocessor.size) == size
    assert images_of_a_step(cfg) == images
    assert cfg.model.backbone.depth == depth
    assert 'Pretrained' not in str(cfg.model)
    small = method.small()
    assert small.model.type == cfg.model.type
    assert MODELS.get(small.model.type) is not None
