"""Shows contrast heads what the decode head predicts."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from ...models.decode_heads import ContrastHead
from ...models.segmentors import SemiSupervisedSegmentor
from ...problem import SetupError
from ..unwrap import unwrap


@HOOKS.register_module()
class ShareLogitsHook(Hook):
    """Shows the contrast heads of a plain ``EncoderDecoder`` the logits of its decode head.

    MMSeg hands auxiliary heads features and labels alone. With the logits they know which pixels the
    net gets wrong (hard anchors) and how sure it is (quality filter). The logits are what ``conv_seg``
    returns, MMSeg's name of a classifier; of a cascade of decode heads, that of the last.

    Raises:
        SetupError: Before training, if there is nobody to show them to, or no logit of each class.
    """

    def before_train(self, runner: Runner) -> None:
        """Let each contrast head watch the decode head."""
        model = unwrap(runner.model)
        heads = [module for module in model.modules() if isinstance(module, ContrastHead)]
        if isinstance(model, SemiSupervisedSegmentor) or not heads:
            raise SetupError(
                f'ShareLogitsHook is for the contrast heads of a plain EncoderDecoder, and the '
                f'{type(model).__name__} '
                + ('gives its own the logits' if heads else 'has none')
                + ': remove the hook.'
            )
        decode = model.decode_head
        decode = decode[-1] if isinstance(decode, nn.ModuleList) else decode
        if not hasattr(decode, 'conv_seg'):
            raise SetupError(
                f"ShareLogitsHook needs a decode head that classifies by 'conv_seg', which "
                f'{type(decode).__name__} has not: choose another head, or remove the hook.'
            )
        for head in heads:
            if head.num_classes != decode.out_channels:
                raise SetupError(
                    f'ShareLogitsHook finds decode_head.out_channels={decode.out_channels} and '
                    f'{type(head).__name__}(num_classes={head.num_classes}): give both the number of '
                    'classes of the data set (a single sigmoid channel has no class of its own).'
                )
            head.watch(decode.conv_seg)
