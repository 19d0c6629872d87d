"""Backbones of Hugging Face's transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least
from ...problem import SetupError
from .patch_grid import on_patch_grid

#: Norms that `AutoBackbone` puts behind the stages of a net; published weights are without them.
ADDED = 'hidden_states_norms.'


@MODELS.register_module()
class TransformersBackbone(BaseModule):
    """A backbone that ``transformers.AutoBackbone`` knows: DINOv2, DINOv3, ConvNeXt V2, Swin V2, ...

    Needs the package ``transformers``, but not torchvision. Images may have any size, see
    :func:`on_patch_grid`. Each process loads the same weights, in :meth:`init_weights`; a teacher loads
    none and starts as a copy of the student.

    Args:
        config (str | dict): Name on the Hugging Face hub or local folder, whose ``config.json`` is read;
            or its entries, with ``model_type``, which needs neither file nor network.
        out_indices (Sequence[int]): Stages to return, as transformers counts them: 0 is the embedding
            of the patches, i what block i of a ViT or stage i of a pyramid gives. The last one should
            be among them, as what comes after the last that is returned learns nothing.
        size_divisor (int, optional): What height and width are padded to multiples of. Defaults to the
            patch of a ViT, and to the stride of the last stage of a pyramid.
        init_cfg (dict, optional): ``dict(type='Pretrained', checkpoint=...)``: name on the hub, local
            folder, or file (``.safetensors``, or what ``torch.load`` reads) with the names of
            transformers. Defaults to ``config`` where that is a name or folder, else to random weights.

    Raises:
        SetupError: If transformers is not installed, or config or weights cannot be read.
        ValueError: If ``init_cfg`` is of another type.
    """

    def __init__(
        self,
        config: str | Mapping[str, Any],
        out_indices: Sequence[int],
        size_divisor: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if init_cfg is None and isinstance(config, str):
            init_cfg = {'type': 'Pretrained', 'checkpoint': config}
        if init_cfg is not None and init_cfg.get('type') != 'Pretrained':
            raise ValueError(
                f"TransformersBackbone(init_cfg={init_cfg}): give dict(type='Pretrained', checkpoint=...) "
                'or None.'
            )
        super().__init__(init_cfg)
        at_least(self, 1, optional=True, size_divisor=size_divisor)
        transformers = _transformers()
        if isinstance(config, str):
            read = _or_one_sentence(config, transformers.AutoConfig.from_pretrained, config)
        else:
            options = dict(config)
            read = transformers.AutoConfig.for_model(options.pop('model_type'), **options)
        read.out_indices = list(out_indices)
        self.net = transformers.AutoBackbone.from_config(read)
        for name, parameter in self.net.named_parameters():
            if name.endswith('mask_token'):  # of the pretraining; unused here
                parameter.requires_grad_(False)
        #: Blocks of each stage; a ViT is one stage.
        self.depths = list(getattr(read, 'depths', None) or [getattr(read, 'num_hidden_layers', 1)])
        self.size_divisor = size_divisor or _stride(read)

    def init_weights(self) -> None:
        """Load the pretrained weights; without any, stay as built.

        Raises:
            SetupError: If they cannot be read, or some are missing.
        """
        self.is_init = True
        if self.init_cfg is None:
            return
        source = self.init_cfg['checkpoint']
        file = source if Path(source).is_file() else None
        loaded, report = _or_one_sentence(
            source,
            type(self.net).from_pretrained,
            None if file else source,
            config=self.net.config,
            state_dict=_read(file) if file else None,
            output_loading_info=True,
        )
        missing = sorted(key for key in report['missing_keys'] if not key.startswith(ADDED))
        if missing:
            raise SetupError(
                f"TransformersBackbone: the weights '{source}' lack {missing[0]}"
                f'{f" and {len(missing) - 1} more" if missing[1:] else ""}: they are of another '
                f'architecture than {type(self.net).__name__}; give weights and config that fit.'
            )
        self.net.load_state_dict(loaded.state_dict())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps, each (B, D_i, h_i, w_i).

        Args:
            images (Tensor): Images of shape (B, 3, H, W).
        """
        return on_patch_grid(lambda x: self.net(x).feature_maps, images, self.size_divisor)

    def get_layer_depth(self, name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter, as MMPretrain's backbones do for rates that fall by layer.

        Args:
            name (str): Name of the parameter.
            prefix (str): What stands before its name inside this module, such as ``'backbone.'``.

        Returns:
            tuple[int, int]: The depth: 0 for the embedding of the patches, 1 to L for the blocks, L + 1
            for norms after them; and the number of depths, L + 2.
        """
        name, blocks = name.removeprefix(prefix), sum(self.depths)
        found = re.search(r'\.(?:stages|layers?)\.(\d+)\.(?:(?:layers|blocks)\.(\d+)\.)?', name)
        if found is None:
            return 0 if 'embeddings' in name else blocks + 1, blocks + 2
        stage, block = found.groups()
        if len(self.depths) == 1:
            return int(stage) + 1, blocks + 2
        # What changes the resolution goes with the block that follows it.
        before = sum(self.depths[: int(stage)])
        after = 'downsample.' in name and block is None
        first = before + (self.depths[int(stage)] if after else 0)
        return min(first + int(block or 0) + 1, blocks), blocks + 2


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise SetupError(
            'TransformersBackbone needs the package transformers, which is not installed: '
            "pip install 'mmseg-contrast[transformers]'."
        ) from error
    return transformers


def _stride(config: Any) -> int:
    patch, depths = getattr(config, 'patch_size', None), getattr(config, 'depths', None)
    if depths:
        return (patch or 4) * 2 ** (len(depths) - 1)
    return patch or 1


def _or_one_sentence(source: str, load: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return load(*args, **kwargs)
    except (OSError, RuntimeError, ValueError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise SetupError(
            f"TransformersBackbone: '{source}' cannot be loaded; give a local folder with config.json "
            f'and model.safetensors, or a name on the Hugging Face hub and a network ({reason}).'
        ) from error


def _read(file: str) -> dict[str, Tensor]:
    if file.endswith('.safetensors'):
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, map_location='cpu', weights_only=True)
