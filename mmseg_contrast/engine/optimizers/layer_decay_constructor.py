"""Learning rates that fall from the last layer of a backbone to the first."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from ...arguments import in_range
from ...problem import SetupError

BACKBONE = 'backbone.'


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(DefaultOptimWrapperConstructor):
    r"""MMEngine's constructor of optimisers, with rates of the backbone that fall by layer.

    .. math:: \eta_l = \eta \, \gamma^{L + 1 - l}

    for the embedding of the patches (:math:`l = 0`), the blocks 1 to L and what follows them (L + 1), where
    :math:`\eta` is the rate that the other rules give, such as ``custom_keys``. Heads and necks keep
    theirs. Source: BEiT (Bao et al., ICLR 2022), in the way of ELECTRA. MMSeg's own constructor knows
    the parameter names of three backbones alone; this one asks the backbone for depths, as
    MMPretrain's does. Use::

        optim_wrapper = dict(
            constructor='LayerDecayConstructor',
            paramwise_cfg=dict(layer_decay=0.8, custom_keys=dict(backbone=dict(lr_mult=1 / 40))),
        )

    Args:
        optim_wrapper_cfg (dict): Config of the optimiser and its wrapper.
        paramwise_cfg (dict): As of MMEngine's ``DefaultOptimWrapperConstructor``, with
            ``layer_decay`` (float), :math:`\gamma` in (0, 1].

    Raises:
        ValueError: If ``layer_decay`` is missing or out of range.
        SetupError: If the backbone does not know the depths of its parameters.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        # It stays there: with no rule at all, MMEngine would not ask for the rate of each parameter.
        rules = dict(paramwise_cfg or {})
        if 'layer_decay' not in rules:
            raise ValueError(
                'LayerDecayConstructor needs paramwise_cfg.layer_decay: give a factor such as 0.8, or '
                'leave the constructor out.'
            )
        self.layer_decay = rules['layer_decay']
        in_range(
            self, '(0, 1]', 'a factor between neighbouring layers', layer_decay=self.layer_decay
        )
        super().__init__(optim_wrapper_cfg, rules)

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Add the parameters of a module, each with its rate.

        Args:
            params (list[dict]): Groups of the optimiser, one for each parameter; extended in place.
            module (nn.Module): The segmentor; MMEngine goes through its children.
            prefix (str): Name of the child.
            kwargs: What MMEngine passes on.
        """
        super().add_params(params, module, prefix=prefix, **kwargs)
        if prefix:
            return
        depth_of = getattr(module.backbone, 'get_layer_depth', None)
        if depth_of is None:
            raise SetupError(
                f'LayerDecayConstructor: {type(module.backbone).__name__} has no get_layer_depth and so '
                'does not know the depth of its layers: take TransformersBackbone or a ViT of '
                'MMPretrain, or give the backbone one rate by custom_keys.'
            )
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        for group in params:
            name = names[id(group['params'][0])]
            if name.startswith(BACKBONE):
                depth, depths = depth_of(name, BACKBONE)
                rate = group.get('lr', self.base_lr)
                group['lr'] = rate * self.layer_decay ** (depths - 1 - depth)
