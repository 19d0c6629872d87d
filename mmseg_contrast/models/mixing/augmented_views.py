"""Weak views of labelled images and several strong views of each unlabelled image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least, in_range
from ...structures import PixelTargets
from ..schedules import check_length, current_iter, in_iterations
from .base import Mixed, Mixing
from .batch_color import gaussian_blur, jitter_color
from .batch_geometry import flip_and_resize
from .class_mix import ClassMix


class View:
    r"""Probabilities and strengths of one kind of view (a column of Table 1 of Alonso et al.).

    Args:
        class_mix (float): Probability that an image receives classes of another.
        class_mix_start (float): Iteration, or share of the training in (0, 1), from which ClassMix is
            used.
        flip (float): Probability of a horizontal flip.
        resize (float): Probability of a resize within the frame.
        scale (tuple[float, float]): Range of the resize factor, above 0.
        jitter (float): Probability of colour jitter.
        brightness (float): Factors are drawn from :math:`1 \pm` this value.
        contrast (float): Likewise.
        saturation (float): Likewise.
        hue (float): Largest shift of the hue, as a share of a full turn.
        blur (float): Probability of a Gaussian blur.
        sigma (tuple[float, float]): Range of the blur's standard deviation in pixels, above 0.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        class_mix: float = 0.0,
        class_mix_start: float = 0,
        flip: float = 0.0,
        resize: float = 0.0,
        scale: tuple[float, float] = (0.75, 1.75),
        jitter: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        blur: float = 0.0,
        sigma: tuple[float, float] = (0.1, 1.5),
    ) -> None:
        shares = dict(class_mix=class_mix, flip=flip, resize=resize, jitter=jitter, blur=blur)
        shares.update(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        in_range('AugmentedViews', '[0, 1]', 'a probability or a share', **shares)
        for key, (low, high) in (('scale', scale), ('sigma', sigma)):
            if not 0 < low <= high:
                raise ValueError(
                    f'AugmentedViews: {key}=({low}, {high}) is a range above 0: give the lower end '
                    'first.'
                )
        check_length(class_mix_start, 'AugmentedViews: class_mix_start')
        self.class_mix_start = class_mix_start
        self.scale = tuple(scale)
        self.sigma = tuple(sigma)
        self.shares = shares


@MODELS.register_module()
class AugmentedViews(Mixing):
    """Augments images on the device, together with their labels, pseudo-labels and weights.

    Each labelled image gets one weak view, each unlabelled image A strong views (augmentation anchoring).
    A view applies :class:`ClassMix`, flip, resize, colour jitter and blur, drawn for each image
    separately. Classes are pasted only within a set and a domain. Pixels move, so the targets move with
    them. Source: Alonso et al., ICCV 2021, sections 3.2 and 4.2, Table 1.

    Args:
        num_classes (int): Number of classes.
        mean (Sequence[float]): Channel means that the preprocessor has subtracted.
        std (Sequence[float]): Channel standard deviations that it has divided by.
        weak (dict, optional): Arguments of :class:`View` for the labelled images; None leaves them
            unchanged.
        strong (dict, optional): The same for the unlabelled images.
        num_views (int): A, at least 1.
        extra_class (bool): Whether ClassMix picks ``floor(n / 2) + 1`` classes (published code).
        background (int, optional): Class that ClassMix picks only if an image has no other.
        shared_coins (bool): Whether all images of a view share their random choices and scale (published
            code).
        bgr_to_rgb (bool): Whether the preprocessor has converted images from BGR, as they are read, to
            RGB.

    Raises:
        ValueError: If an argument is out of its range.
    """

    drops_probs = True
    moves_targets = True

    def __init__(
        self,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        weak: dict | None = None,
        strong: dict | None = None,
        num_views: int = 2,
        extra_class: bool = False,
        background: int | None = None,
        shared_coins: bool = False,
        bgr_to_rgb: bool = True,
    ) -> None:
        super().__init__()
        at_least(self, 1, num_views=num_views)
        self.weak = View(**(weak or {}))
        self.strong = View(**(strong or {}))
        self.num_views = num_views
        self.class_mix = ClassMix(num_classes, extra_class=extra_class, background=background)
        self.shared_coins = shared_coins
        self.bgr = not bgr_to_rgb
        self.colored = len(mean) == 3
        for name, view in (('weak', self.weak), ('strong', self.strong)):
            if view.shares['jitter'] > 0 and not self.colored:
                raise ValueError(
                    f'AugmentedViews: {name}.jitter={view.shares["jitter"]} needs RGB images, but the '
                    f'preprocessor has {len(mean)} channels: set it to 0.'
                )
        for name, values in (('mean', mean), ('std', std)):
            value = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    @torch.no_grad()
    def forward(
        self, images: Tensor, labeled: PixelTargets, pseudo: PixelTargets, num_in_domain: int
    ) -> Mixed:
        """Make the views of a batch: B_L + A B_U images and their hard targets.

        See :meth:`Mixing.forward`.
        """
        num_labeled = len(labeled)
        weak = [
            self._view(self.weak, images[part], labeled[part])
            for part in (slice(0, num_in_domain), slice(num_in_domain, num_labeled))
            if part.start < part.stop
        ]
        hard = PixelTargets(pseudo.labels, pseudo.weight)
        strong = [
            self._view(self.strong, images[num_labeled:], hard) for _ in range(self.num_views)
        ]
        views = torch.cat([image for image, _ in weak + strong])
        labeled = PixelTargets.cat([target for _, target in weak]) if weak else labeled
        pseudo = PixelTargets.cat([target for _, target in strong])
        return Mixed(views, labeled, pseudo, moved=True)

    def _view(
        self, view: View, images: Tensor, targets: PixelTargets
    ) -> tuple[Tensor, PixelTargets]:
        batch, device = len(images), images.device
        share = view.shares

        def draw(low: float = 0.0, high: float = 1.0, shared: bool = False) -> Tensor:
            value = torch.rand(1 if shared else batch, device=device)
            return (low + (high - low) * value).expand(batch)

        def coins(key: str) -> Tensor:
            return draw(shared=self.shared_coins) < share[key]

        if share['class_mix'] > 0 and current_iter() >= in_iterations(view.class_mix_start):
            images, targets = self.class_mix.paste(images, targets, coins('class_mix'))
        if share['flip'] > 0 or share['resize'] > 0:
            flip, resize = coins('flip'), coins('resize')
            scale = draw(*view.scale, shared=self.shared_coins).where(resize, 1)
            place = torch.stack([draw(), draw()], 1)
            images, targets = flip_and_resize(images, targets, flip, scale, place)
        if share['jitter'] > 0 or share['blur'] > 0:
            images = self._recolor(view, images, coins, draw)
        return images, targets

    def _recolor(self, view: View, images: Tensor, coins: Any, draw: Any) -> Tensor:
        share = view.shares
        out = (images * self.std + self.mean) / 255
        if share['jitter'] > 0:
            factors = [
                draw(1 - share[key], 1 + share[key])
                for key in ('brightness', 'contrast', 'saturation')
            ]
            hue = draw(-share['hue'], share['hue'])
            # The weights of red, green and blue differ.
            rgb = out.flip(1) if self.bgr else out
            jittered = jitter_color(rgb, *factors, hue)
            jittered = jittered.flip(1) if self.bgr else jittered
            out = torch.where(coins('jitter')[:, None, None, None], jittered, out)
        if share['blur'] > 0:
            blurred = gaussian_blur(out, draw(*view.sigma), view.sigma[1])
            out = torch.where(coins('blur')[:, None, None, None], blurred, out)
        return (out * 255 - self.mean) / self.std
