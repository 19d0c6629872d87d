import re

import pytest
from helpers import build, head_cfg, plain_cfg, semi_cfg

from mmseg_contrast.models.segmentors.decode_head_check import check_decode_head

OCR = [head_cfg(), {'type': 'OCRHead', 'num_classes': 3}]
KNET = {'type': 'IterativeDecodeHead', 'num_stages': 3, 'kernel_generate_head': head_cfg()}
UNNAMED = {key: value for key, value in head_cfg().items() if key != 'num_classes'}


@pytest.mark.parametrize('kind', ['SemiSupervisedSegmentor', 'ContrastivePretrainer'])
@pytest.mark.parametrize(
    ('head', 'said'),
    [
        (
            OCR,
            'decode_head is a cascade of 2 heads (FCNHead, OCRHead), which {} cannot train: take one',
        ),
        (
            KNET,
            'decode_head (IterativeDecodeHead) is a cascade with a kernel_generate_head, which {} cannot '
            'train: take one',
        ),
        (
            UNNAMED,
            'decode_head (FCNHead) has no num_classes: give the number of classes of the data set.',
        ),
    ],
)
def test_a_cascade_is_refused_by_name(kind, head, said):
    base = semi_cfg() if kind == 'SemiSupervisedSegmentor' else plain_cfg()
    with pytest.raises(ValueError, match=re.escape(said.format(kind))):
        build({**base, 'type': kind, 'decode_head': head})


def test_one_head_passes():
    check_decode_head(head_cfg(), 'SemiSupervisedSegmentor')
