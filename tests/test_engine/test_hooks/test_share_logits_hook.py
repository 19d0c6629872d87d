import warnings

import pytest
import torch
from helpers import contrast_cfg, head_cfg, plain_cfg, runner_cfg, semi_cfg
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmseg_contrast.problem import SetupError


@MODELS.register_module(force=True)
class NoClassifierHead(MODELS.get('FCNHead')):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.last = self.conv_seg
        del self.conv_seg


def runner(tmp_path, model, **kwargs):
    cfg = runner_cfg(tmp_path, model, hooks=[{'type': 'ShareLogitsHook'}], **kwargs)
    cfg['train_dataloader']['dataset']['branches'] = False
    return Runner.from_cfg(cfg)


def test_each_contrast_head_knows_the_logits_of_the_step(tmp_path):
    contrast = contrast_cfg(num_classes=3)
    model = plain_cfg(size=(16, 16), auxiliary_head=[head_cfg(in_index=0), contrast, contrast])
    run = runner(tmp_path, model, max_iters=2)
    decode, (_, *heads) = run.model.decode_head, run.model.auxiliary_head
    made, known = [], []
    decode.conv_seg.register_forward_hook(lambda module, args, logits: made.append(logits))
    for head in heads:
        term = head.loss_by_step
        head.loss_by_step = lambda step, term=term: known.append(step.logits) or term(step)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='.*ShareLogitsHook')
        run.train()
    assert len(made) == 2 and len(known) == 4
    for logits, first, second in zip(made, known[::2], known[1::2]):
        assert torch.equal(logits, first) and torch.equal(logits, second)
        assert not first.requires_grad
    run.model.eval()
    decode(run.model.extract_feat(torch.zeros(1, 3, 16, 16)))
    assert all('seen_logits' not in vars(head) for head in heads), 'validation keeps nothing'


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (plain_cfg(), 'EncoderDecoder has none: remove the hook'),
        (semi_cfg(auxiliary_head=[contrast_cfg()]), 'gives its own the logits: remove the hook'),
        (
            plain_cfg(
                auxiliary_head=[contrast_cfg(num_classes=2)],
                decode_head=head_cfg(num_classes=2, out_channels=1, threshold=0.3),
            ),
            r'out_channels=1 and PixelContrastHead\(num_classes=2\)',
        ),
        (
            plain_cfg(
                auxiliary_head=[contrast_cfg(num_classes=3)],
                decode_head=head_cfg(type='NoClassifierHead', init_cfg=None),
            ),
            "'conv_seg', which NoClassifierHead has not",
        ),
    ],
)
def test_where_it_has_no_effect_it_is_refused(tmp_path, model, message):
    with pytest.raises(SetupError, match=message):
        runner(tmp_path, model, max_iters=1).train()
