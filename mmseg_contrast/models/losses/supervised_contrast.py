"""Pixel-wise supervised contrast of all pixels with all pixels, in linear memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...arguments import one_of
from ...problem import SetupError
from ..device import without_autocast
from ..distributed import gather_own_first, reduce_mean
from .contrast import refuse_create_graph

#: Fewer rows make a poor matrix product.
MIN_ROWS = 64
#: Numbers in a tile by kind of device: 2 MiB of float32 on a CPU, else 128 MiB. Launches cost most on a GPU,
#: cache misses on a CPU.
TILE_NUMBERS = {'cpu': 2**19, 'cuda': 2**25}
VARIANTS = ('within_image', 'batch', 'hybrid')

#: Below it, the exponentials of unit vectors leave the range of float64.
MIN_TEMPERATURE = 0.003


def supervised_contrast(
    anchors: Tensor,
    keys: Tensor | None,
    anchor_labels: Tensor,
    key_labels: Tensor | None,
    temperature: float,
    num_classes: int,
    include_self: bool = True,
    keep_tiles: bool = False,
    parts: int = 1,
) -> tuple[Tensor, Tensor]:
    r"""Exact supervised contrast of each anchor with every key of its group.

    .. math::
        L_g = \frac{1}{N} \sum_i -\frac{1}{|P_i|} \sum_{j \in P_i}
              \log \frac{e^{f_i \cdot f'_j / \tau}}{\sum_k e^{f_i \cdot f'_k / \tau}}
            = \frac{1}{N} \sum_i \Big[ \log \sum_k e^{f_i \cdot f'_k / \tau}
              - \frac{f_i \cdot m_{y_i}}{\tau} \Big]

    with :math:`P_i` the keys of the anchor's class and :math:`m_c` their mean: the mean over the
    positives is linear, so that only the logarithm needs all pairs. Source: Label-efficient
    contrastive pretraining (Zhao et al., ICCV 2021), Eq. 1. Both sides receive gradients.

    Cost for N anchors, M keys, D channels and C classes in each group: value and gradient together take
    :math:`6 N M D` floating-point operations, or :math:`4 N^2 D` where anchors and keys are the same
    tensor (each pair is then computed once for both of its ends), and :math:`2 N M C` for the positives;
    memory is that of the gradients and one tile, :math:`O((N + M) D)`, and never N x M. The backward pass
    holds the gradients twice: those that are kept, in case the graph is retained, and those that are
    returned. Computed in float32 (float64 for float64 anchors); exponentials in float64 where the
    temperature is too low for float32.

    The gradient is a difference of two means of keys: the smaller it gets, the larger its share of
    rounding errors. Float32 against float64 at a temperature of 0.07, 3,000 anchors of 256
    channels in 19 classes: 5e-7 of the gradient where the vectors of a class have a cosine of 0.5, 5e-6
    at 0.9, and 1e-4 at 0.99, where the gradient is 1,000 times smaller (dense in float32: 8e-7, 1e-5,
    1e-3); with keys of their own 2e-6, 2e-5 and 7e-4 (dense: 4e-6, 8e-5, 9e-3). Pass float64 anchors if
    you need more. The gradient cannot be differentiated again.

    The loss of a group with a single class is not 0: each pixel still competes with the others of its
    class. The minimum, :math:`\log M`, is reached when all keys are equally near.

    Args:
        anchors (Tensor): Unit vectors of shape (G, N, D); groups, such as images, are not compared.
        keys (Tensor, optional): Unit vectors of shape (G, M, D). None: the anchors are the keys.
        anchor_labels (Tensor): Integer labels of shape (G, N); what is not in
            ``[0, num_classes)`` is ignored.
        key_labels (Tensor, optional): Likewise, of shape (G, M); None together with ``keys``.
        temperature (float): :math:`\tau`, at least 0.003.
        num_classes (int): Number of classes C.
        include_self (bool): Whether an anchor's own key, that of the same index, is one of its positives,
            as in Eq. 1. Otherwise it is left out of the denominator too.
        keep_tiles (bool): Keep the exponentials of a group instead of computing them twice, where
            anchors are keys: :math:`3 N^2 D` operations, and :math:`N^2 / 2` numbers of memory.
        parts (int): Number of equal parts, such as images, that the anchors of a group consist of:
            its loss is the mean of the means of its parts.

    Returns:
        tuple[Tensor, Tensor]: Mean of the loss over the anchors of each group (or part) that have a
        positive, 0 where there is none; and the number of these anchors in the group (no gradient).
        Both of shape (G,).

    Raises:
        ValueError: If shapes or labels do not fit, the anchors do not divide into the parts, or the
            temperature is too low.
        RuntimeError: In the backward pass, if it is run with ``create_graph=True``.
    """
    _check(anchors, keys, anchor_labels, key_labels, num_classes, include_self, parts)
    _check_temperature('supervised_contrast', temperature)
    if anchors.dtype != torch.float64:
        anchors, keys = anchors.float(), None if keys is None else keys.float()
    elif keys is not None:
        keys = keys.double()
    with without_autocast(anchors):
        return _apply(
            anchors,
            keys,
            _one_hot(anchor_labels, num_classes, anchors.dtype),
            None if keys is None else _one_hot(key_labels, num_classes, anchors.dtype),
            temperature,
            include_self,
            keep_tiles,
            parts,
        )


@torch.compiler.disable
def _apply(*args: Any) -> tuple[Tensor, Tensor]:
    # A compiler gains nothing on a kernel that is a loop over matrix products.
    loss, count = _SupervisedContrast.apply(*args)
    return loss, count


def _check(
    anchors: Tensor,
    keys: Tensor | None,
    anchor_labels: Tensor,
    key_labels: Tensor | None,
    num_classes: int,
    include_self: bool,
    parts: int,
) -> None:
    if (keys is None) != (key_labels is None):
        raise ValueError('supervised_contrast takes keys together with key_labels, or neither.')
    sides = {'anchors': (anchors, anchor_labels)}
    if keys is not None:
        sides['keys'] = keys, key_labels
    for name, (vectors, labels) in sides.items():
        if vectors.ndim != 3 or not vectors.is_floating_point():
            raise ValueError(
                f'supervised_contrast got {name} of shape {tuple(vectors.shape)} and {vectors.dtype}: '
                'give real vectors of shape (groups, pixels, channels).'
            )
        if labels.shape != vectors.shape[:2] or labels.is_floating_point():
            raise ValueError(
                f'supervised_contrast got labels of shape {tuple(labels.shape)} and {labels.dtype} for '
                f'{name} of shape {tuple(vectors.shape)}: give one integer for each vector.'
            )
    if keys is not None and (keys.shape[0], keys.shape[2]) != (anchors.shape[0], anchors.shape[2]):
        raise ValueError(
            f'supervised_contrast got anchors of shape {tuple(anchors.shape)} and keys of shape '
            f'{tuple(keys.shape)}: groups and channels must agree.'
        )
    if keys is not None and not include_self and keys.shape[1] < anchors.shape[1]:
        raise ValueError(
            f'supervised_contrast(include_self=False) got {keys.shape[1]} keys for '
            f'{anchors.shape[1]} anchors: the first keys must be those at the positions of the anchors.'
        )
    if num_classes < 1:
        raise ValueError(f'supervised_contrast(num_classes={num_classes}): give 1 or more.')
    if parts < 1 or anchors.shape[1] % parts:
        raise ValueError(
            f'supervised_contrast(parts={parts}) got {anchors.shape[1]} anchors in each group: give a '
            'number that divides them.'
        )


def _check_temperature(place: str, temperature: float) -> None:
    if not temperature >= MIN_TEMPERATURE:
        raise SetupError(
            f'{place}(temperature={temperature}): give {MIN_TEMPERATURE} or more; the papers use 0.07 '
            'to 0.5.'
        )


def _one_hot(labels: Tensor, num_classes: int, dtype: torch.dtype) -> Tensor:
    # Rows of ignored pixels are 0.
    classes = torch.arange(num_classes, device=labels.device)
    return (labels.unsqueeze(-1) == classes).to(dtype)


class _SupervisedContrast(torch.autograd.Function):
    """The gradient has a closed form, so it is made tile by tile beside the value.

    With w_i the weight of an anchor in the mean, p_ik = exp(s_ik - lse_i) and n_i its number of
    positives: dL/ds_ik = w_i (p_ik - [k positive] / n_i). Where classes are compact, both parts nearly
    cancel, so they are subtracted before anything is summed over the keys.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        keys: Tensor | None,
        anchor_classes: Tensor,
        key_classes: Tensor | None,
        temperature: float,
        include_self: bool,
        keep_tiles: bool,
        parts: int,
    ) -> tuple[Tensor, Tensor]:
        same = keys is None
        if same:
            keys, key_classes = anchors, anchor_classes
        if include_self:
            own = None
            positives = (anchor_classes * key_classes.sum(1, keepdim=True)).sum(2)
        else:
            # 1 where the anchor's own key is one of its class, which is then no positive.
            own = (anchor_classes * key_classes[:, : anchors.shape[1]]).sum(2)
            positives = (anchor_classes * key_classes.sum(1, keepdim=True)).sum(2) - own
        counted = (positives > 0).to(anchors.dtype)
        of_part = counted.view(len(counted), parts, counted.shape[1] // parts)
        count = of_part.sum(2)
        weight = (of_part / (parts * count.clamp(min=1)).unsqueeze(2)).flatten(1)
        count = count.sum(1)

        # Of each anchor, the weight of one positive, in the column of its class.
        pull = anchor_classes * (weight / positives.clamp(min=1)).unsqueeze(2)
        if same:
            lse, *grads = _within(
                anchors, anchor_classes, weight, pull, temperature, include_self, keep_tiles
            )
        else:
            lse, *grads = _between(
                anchors, keys, key_classes, weight, pull, temperature, include_self
            )

        class_sums = key_classes.transpose(1, 2) @ keys
        # Against the largest logit, 1 / temperature, so that nothing large cancels.
        near = (anchors @ class_sums.transpose(1, 2) * anchor_classes).sum(2)
        if own is not None:
            own_keys = keys[:, : anchors.shape[1]]
            near = near - own * torch.einsum('gnd,gnd->gn', anchors, own_keys)
        far = 1 - near / positives.clamp(min=1)
        loss = (weight * (lse + far / temperature)).sum(1)
        ctx.save_for_backward(*grads)
        ctx.mark_non_differentiable(count)
        return loss, count

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple:
        refuse_create_graph('supervised_contrast')
        scale = grad.view(-1, 1, 1)
        grads = [scale * saved for saved in ctx.saved_tensors]
        return (*grads, *[None] * (8 - len(grads)))


def _exponents(dtype: torch.dtype, temperature: float) -> torch.dtype:
    """Return a dtype in which ``exp((s - 1) / temperature)`` is normal for all s in [-1, 1]."""
    if 2 / temperature < -math.log(torch.finfo(dtype).tiny) - 1:
        return dtype
    return torch.float64


def _exp_tile(rows: Tensor, columns: Tensor, temperature: float, shift: Tensor) -> Tensor:
    """Return ``exp(rows . columns / temperature + shift)`` of shape (g, r, c).

    With a shift of ``-1 / temperature`` no exponential of unit vectors exceeds 1, without a search
    for the largest.
    """
    logits = torch.baddbmm(shift, rows, columns.transpose(1, 2), alpha=1 / temperature)
    return logits.to(_exponents(logits.dtype, temperature)).exp_()


def _shift(key_valid: Tensor, temperature: float) -> Tensor:
    """Return ``-1 / temperature``, and minus infinity for keys that take no part; (G, 1, M)."""
    shift = torch.full_like(key_valid, -1 / temperature)
    return shift.masked_fill(key_valid == 0, -math.inf).unsqueeze(1)


def _safe_ratio(weight: Tensor, total: Tensor) -> Tensor:
    # Anchors that do not count may have no key at all, and a total of 0.
    return torch.where(weight > 0, weight / torch.where(weight > 0, total, 1), 0)


def _safe_log(weight: Tensor, total: Tensor) -> Tensor:
    return torch.where(weight > 0, total, 1).log()


def _within(
    x: Tensor,
    classes: Tensor,
    weight: Tensor,
    pull: Tensor,
    temperature: float,
    include_self: bool,
    keep_tiles: bool,
) -> tuple[Tensor, Tensor]:
    """Compare the vectors of each group with each other, each pair of tiles once.

    Args:
        x (Tensor): Unit vectors (G, N, D).
        classes (Tensor): One-hot classes, 0 for vectors that take no part; (G, N, C).
        weight (Tensor): Weight of each vector as an anchor, (G, N).
        pull (Tensor): One-hot classes times the weight of one positive, (G, N, C).
        temperature (float): Temperature.
        include_self (bool): Whether a vector is a key of itself.
        keep_tiles (bool): Whether to keep the exponentials for the second sweep.

    Returns:
        tuple[Tensor, Tensor]: Logarithm of each anchor's sum of exponentials, minus
        ``1 / temperature``; and the gradient of its weighted sum, (G, N, D).
    """
    num_groups, length, _ = x.shape
    elements = _tile_size(x.device)
    side = 2 ** int(math.log2(elements) // 2)
    per_block = max(1, elements // max(1, min(side, length)) ** 2)
    work = _exponents(x.dtype, temperature)
    valid = classes.sum(2)
    shift = _shift(valid, temperature)
    lse, gradient = torch.empty_like(weight), torch.zeros_like(x)

    def leave_out_own(made: Tensor, rows: slice, columns: slice) -> None:
        if rows == columns and not include_self:
            made.diagonal(dim1=1, dim2=2).zero_()

    def tile(rows: slice, columns: slice) -> Tensor:
        made = _exp_tile(x[block, rows], x[block, columns], temperature, shift[block, :, columns])
        made.mul_(valid[block, rows].unsqueeze(2))
        leave_out_own(made, rows, columns)
        return made

    for block in _slices(num_groups, per_block):
        parts = list(_slices(length, side))
        pairs = [(a, b) for i, a in enumerate(parts) for b in parts[i:]]
        total = torch.zeros_like(weight[block], dtype=work)
        kept = {}
        for a, b in pairs:
            made = tile(a, b)
            # Not products with a vector of ones, which round ten times as much.
            total[:, a] += made.sum(2)
            if a != b:
                total[:, b] += made.sum(1)
            if keep_tiles or len(pairs) == 1:
                kept[a.start, b.start] = made
        lse[block] = _safe_log(weight[block], total).to(lse.dtype)
        # e^s_ab is the same from both ends: one factor for each end's softmax.
        factor = _safe_ratio(weight[block].to(work), total)
        for a, b in pairs:
            made = kept.pop((a.start, b.start)) if kept else tile(a, b)
            made.mul_(factor[:, a].unsqueeze(2) + factor[:, b].unsqueeze(1))
            of_rows = torch.cat([pull[block, a], classes[block, a]], 2)
            of_columns = torch.cat([classes[block, b], pull[block, b]], 2)
            _subtract_product(made, of_rows, of_columns)
            leave_out_own(made, a, b)
            made = made.to(x.dtype)
            gradient[block, a].baddbmm_(made, x[block, b], alpha=1 / temperature)
            if a != b:
                gradient[block, b].baddbmm_(
                    made.transpose(1, 2), x[block, a], alpha=1 / temperature
                )
    return lse, gradient


def _subtract_product(tile: Tensor, rows: Tensor, columns: Tensor) -> None:
    """Subtract ``rows @ columns.T`` of each group in place; (g, r, k) and (g, c, k) from (g, r, c)."""
    tile.baddbmm_(rows.to(tile.dtype), columns.to(tile.dtype).transpose(1, 2), alpha=-1)


def _between(
    anchors: Tensor,
    keys: Tensor,
    key_classes: Tensor,
    weight: Tensor,
    pull: Tensor,
    temperature: float,
    include_self: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compare the anchors with the keys of each group, a tile of rows with all keys at once.

    Args:
        anchors (Tensor): Unit vectors (G, N, D).
        keys (Tensor): Unit vectors (G, M, D).
        key_classes (Tensor): One-hot classes, 0 for keys that take no part; (G, M, C).
        weight (Tensor): Weight of each anchor, (G, N).
        pull (Tensor): One-hot classes of the anchors times the weight of one positive, (G, N, C).
        temperature (float): Temperature.
        include_self (bool): Whether the key of an anchor's index is one of its keys.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Logarithm of each anchor's sum of exponentials, minus
        ``1 / temperature``; and the gradient of its weighted sum for anchors and for keys.
    """
    num_groups, length, _ = anchors.shape
    elements = _tile_size(anchors.device)
    columns = max(1, keys.shape[1])
    rows_per_tile = max(1, min(length, max(MIN_ROWS, elements // columns)))
    per_block = max(1, elements // (rows_per_tile * columns))
    shift = _shift(key_classes.sum(2), temperature)
    lse = torch.empty_like(weight)
    gradient, key_gradient = torch.empty_like(anchors), torch.zeros_like(keys)
    for block in _slices(num_groups, per_block):
        for rows in _slices(length, rows_per_tile):
            x, part = anchors[block, rows], weight[block, rows]
            made = _exp_tile(x, keys[block], temperature, shift[block])
            if not include_self:
                made.diagonal(rows.start, dim1=1, dim2=2).zero_()
            total = made.sum(2)
            lse[block, rows] = _safe_log(part, total).to(lse.dtype)
            made.mul_(_safe_ratio(part.to(total), total).unsqueeze(2))
            _subtract_product(made, pull[block, rows], key_classes[block])
            if not include_self:
                made.diagonal(rows.start, dim1=1, dim2=2).zero_()
            made = made.to(x.dtype)
            gradient[block, rows] = (made @ keys[block]).div_(temperature)
            key_gradient[block].baddbmm_(made.transpose(1, 2), x, alpha=1 / temperature)
    return lse, gradient, key_gradient


def _tile_size(device: torch.device) -> int:
    """Return how many numbers a tile may hold."""
    return TILE_NUMBERS.get(device.type, TILE_NUMBERS['cuda'])


def _slices(length: int, step: int) -> Iterator[slice]:
    """Yield slices of at most ``step`` that cover ``length``."""
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


@MODELS.register_module()
class SupervisedContrastLoss(nn.Module):
    r"""Supervised contrast of the pixels of a batch, see :func:`supervised_contrast`.

    ============== ========================== ===============================================
    variant        anchors                    keys of an anchor
    ============== ========================== ===============================================
    `within_image` all pixels                 the pixels of its own image
    `batch`        pixels of the batch        the pixels of the batch (of all processes)
    `hybrid`       all pixels                 its own image, and pixels of the other images
    ============== ========================== ===============================================

    Source: Zhao et al. (ICCV 2021), sections 3 (`within_image`, `batch`) and 5.6.2, which leaves
    `hybrid` to future work. `within_image` and `hybrid` average over each image, then over the
    images; an image without a valid pixel contributes 0.

    Args:
        variant (str): One of the above.
        temperature (float): :math:`\tau`, at least 0.003.
        num_samples (int, optional): Number of pixels drawn without replacement, labelled ones first: for
            `batch` from the images of each process, for `hybrid` from the other images, anew for each
            image. Defaults to None: all.
        include_self (bool): Whether a pixel is its own positive, as in Eq. 1.
        loss_weight (float): Factor of the loss.

    Raises:
        ValueError: If the variant is unknown, the temperature too low, or the number of samples not
            positive or given for `within_image`.
    """

    def __init__(
        self,
        variant: str = 'within_image',
        temperature: float = 0.07,
        num_samples: int | None = None,
        include_self: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        one_of(self, VARIANTS, variant=variant)
        if num_samples is not None and (num_samples < 1 or variant == 'within_image'):
            raise ValueError(
                f"SupervisedContrastLoss(variant='{variant}', num_samples={num_samples}): give 1 or "
                "more for 'batch' and 'hybrid', and none for 'within_image', which takes all pixels."
            )
        _check_temperature('SupervisedContrastLoss', temperature)
        self.variant = variant
        self.temperature = temperature
        self.num_samples = num_samples
        self.include_self = include_self
        self.loss_weight = loss_weight

    def forward(
        self, anchors: Tensor, keys: Tensor | None, labels: Tensor, num_classes: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted loss and its statistics.

        Args:
            anchors (Tensor): Unit embeddings of the images' pixels, (B, N, D).
            keys (Tensor, optional): Those of the distorted images; None if nothing is distorted.
            labels (Tensor): Integer labels of both, (B, N).
            num_classes (int): Number of classes; other labels are ignored.
        """
        key_labels, parts = None if keys is None else labels, 1
        others = (len(labels) * get_world_size() - 1) * labels.shape[1]
        if self.variant == 'hybrid' and self._draws_from(others):
            keys, key_labels = self._with_others(anchors, keys, labels, num_classes)
        elif self.variant != 'within_image':
            # With all others as keys, all images of a hybrid have the same ones: those of the batch.
            parts = max(1, len(labels)) if self.variant == 'hybrid' else 1
            anchors, labels = _flatten(anchors), _flatten(labels)
            if self.variant == 'batch' and self._draws_from(labels.shape[1]):
                index = _draw((labels >= 0) & (labels < num_classes), self.num_samples)
                anchors, labels = _take(anchors, index), labels.gather(1, index)
                keys = None if keys is None else _take(_flatten(keys), index)
            keys, key_labels = self._gather(anchors, keys, labels)
        loss, count = supervised_contrast(
            anchors,
            keys,
            labels,
            key_labels,
            self.temperature,
            num_classes,
            self.include_self,
            parts=parts,
        )
        if self.variant == 'batch':
            # A mean over the pixels of all ranks, however many each of them has.
            mean = reduce_mean(count)
            loss = loss * (count / torch.where(mean > 0, mean, 1))
        # Not the mean, which is NaN for a batch without images.
        loss = loss.sum() / max(1, len(loss))
        return self.loss_weight * loss, {'anchors': count.sum()}

    def _draws_from(self, pixels: int) -> bool:
        return self.num_samples is not None and self.num_samples < pixels

    def _gather(
        self, anchors: Tensor, keys: Tensor | None, labels: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        if keys is None and get_world_size() == 1:
            return None, None
        keys = anchors if keys is None else keys.reshape(anchors.shape)
        return gather_own_first(keys, 1), gather_own_first(labels, 1)

    def _with_others(
        self, anchors: Tensor, keys: Tensor | None, labels: Tensor, num_classes: int
    ) -> tuple[Tensor, Tensor]:
        batch, length = labels.shape
        keys = anchors if keys is None else keys
        pool, pool_labels = gather_own_first(keys, 0), gather_own_first(labels, 0)
        # Row b is every image but b.
        image = torch.arange(len(pool) - 1, device=labels.device)
        image = image + (image >= torch.arange(batch, device=labels.device).unsqueeze(1))
        pixel = torch.arange(length, device=labels.device)
        index = (image.unsqueeze(2) * length + pixel).flatten(1)
        pool, pool_labels = pool.flatten(0, 1), pool_labels.flatten()
        seen = pool_labels[index]
        index = index.gather(1, _draw((seen >= 0) & (seen < num_classes), self.num_samples))
        return torch.cat([keys, pool[index]], 1), torch.cat([labels, pool_labels[index]], 1)


def _flatten(x: Tensor) -> Tensor:
    """Make one group of all groups."""
    return x.flatten(0, 1).unsqueeze(0)


def _take(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, index.unsqueeze(2).expand(-1, -1, x.shape[2]))


def _draw(wanted: Tensor, number: int) -> Tensor:
    """Draw positions of each row without replacement, wanted ones first; (G, N) to (G, number)."""
    order = torch.rand(wanted.shape, device=wanted.device) + (~wanted).float()
    return order.topk(number, dim=1, largest=False).indices
