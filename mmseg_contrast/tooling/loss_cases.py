"""Contrastive losses beside their naive forms, at several sizes, to be measured against each other."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.decode_heads.class_selectors import ClassSelectors
from ..models.decode_heads.contrast_head import group_by_class
from ..models.losses import (
    SupervisedContrastLoss,
    class_bank_contrast,
    grouped_contrast,
    supervised_contrast,
)
from ..models.memory import ClassMemoryBank
from ..models.sampling.anchor_sampling import gather_pixels, sample_anchors
from ..models.sampling.class_groups import top_per_class
from ..models.selectors import DynamicConfidentRegionSelection
from ..models.selectors.top_class import top_class
from .measure import free_bytes, measure_in_turns

PEER = 'pytorch-metric-learning'
SIZES = ('tiny', 'standard', 'large')
HEADER = ('case', 'form', 'ms', 'MiB', 'time ratio', 'memory ratio', 'difference')
NUM_CLASSES = 19
TEMPERATURE = 0.07
SEED = 0


@dataclass
class Form:
    """One way to compute a loss.

    Attributes:
        name (str): Its name in the table.
        loss (Callable[[], Tensor]): Computes it, or another scalar that tells whether forms agree.
        needs (int): Bytes that it is known to need, to leave out what does not fit.
    """

    name: str
    loss: Callable[[], Tensor]
    needs: int = 0


@dataclass
class Case:
    """A loss at one size: the first form is ours, the second the one of the ratios.

    Attributes:
        name (str): Its name in the table.
        leaves (list[Tensor]): Inputs that receive gradients; none: nothing is differentiated.
        forms (list[Form]): Ways to compute the same loss.
    """

    name: str
    leaves: list[Tensor]
    forms: list[Form]


def unit(*shape: int, device: str) -> Tensor:
    """Draw unit vectors that receive gradients."""
    return F.normalize(torch.randn(*shape, device=device), dim=-1).requires_grad_()


def block_labels(images: int, height: int, width: int, classes: int, device: str) -> Tensor:
    """Draw labels (images, height, width) that are alike in blocks, as those of photographs are."""
    blocks = torch.randint(0, classes, (images, 1, 8, 8), device=device).float()
    return F.interpolate(blocks, (height, width)).long()[:, 0]


def labeled_pixels(images: int, side: int, device: str) -> tuple[Tensor, Tensor]:
    """Draw unit vectors (images, side * side, 256) that receive gradients, and their labels."""
    labels = block_labels(images, side, side, NUM_CLASSES, device).flatten(1)
    return unit(*labels.shape, 256, device=device), labels


def bank_and_vectors(size: str, device: str) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Draw vectors (8, 256, N) that receive gradients, labels, 256 bank rows a class and which are valid."""
    classes, length = (3, 4) if size == 'tiny' else (NUM_CLASSES, 256)
    for positions in {'tiny': [8]}.get(size, [1024, 2048]):
        yield (
            torch.randn(8, 256, positions, device=device, requires_grad=True),
            torch.randint(0, classes, (8, positions), device=device),
            torch.randn(classes, length, 256, device=device),
            torch.ones(classes, length, dtype=torch.bool, device=device),
        )


# ------------------------------------------------------------------ naive forms and the peer

Group = tuple[Tensor, Tensor, Tensor, Tensor]


@cache
def find_peer() -> Callable[..., Tensor] | None:
    """Return pytorch-metric-learning's form of Eq. 1; where it is not installed, say so, once."""
    if importlib.util.find_spec('pytorch_metric_learning') is None:
        print(f'{PEER} is not installed, so its forms are missing: pip install --no-deps {PEER}')
        return None
    from pytorch_metric_learning.losses import SupConLoss

    loss = SupConLoss(temperature=TEMPERATURE)

    def peer(x: Tensor, labels: Tensor, keys: Tensor, key_labels: Tensor) -> Tensor:
        # Where it gets the very same labels twice, it leaves out an anchor's own position.
        return loss(x, labels, ref_emb=keys, ref_labels=key_labels.clone())

    return peer


def dense_supervised(x: Tensor, labels: Tensor, keys: Tensor, key_labels: Tensor) -> Tensor:
    """Compute Eq. 1 of Zhao et al. from all pairs of anchors (N, D) and keys (M, D)."""
    logits = x @ keys.T / TEMPERATURE
    positive = (labels[:, None] == key_labels).float()
    log_prob = logits - logits.logsumexp(1, keepdim=True)
    return -((positive * log_prob).sum(1) / positive.sum(1)).mean()


def supervised_forms(
    ours: Callable[[], Tensor], groups: Callable[[], Iterable[Group]], pairs: int
) -> list[Form]:
    """Return our form of Eq. 1, the dense one, and that of pytorch-metric-learning.

    Args:
        ours (Callable): Computes the loss.
        groups (Callable): Returns anchors, their labels, keys and their labels of each group.
        pairs (int): Anchors times keys, of all groups.
    """

    def mean_of(loss: Callable[..., Tensor]) -> Tensor:
        return torch.stack([loss(*group) for group in groups()]).mean()

    forms = [
        Form('streamed', ours),
        Form('dense', partial(mean_of, dense_supervised), 28 * pairs),
    ]
    if peer := find_peer():
        forms.append(Form(PEER, partial(mean_of, peer), 44 * pairs))
    return forms


def dense_c3semiseg(anchors: Tensor, keys: Tensor, labels: Tensor) -> Tensor:
    """Compute Eq. 5 of C3-SemiSeg from all pairs of N anchors and the N keys at their positions."""
    logits = anchors @ keys.T / TEMPERATURE
    same = labels[:, None] == labels
    negative = logits.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
    term = F.softplus(negative - logits)
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return ((term * positive).sum(1) / positive.sum(1)).mean()


def sample_by_loops(
    labels: Tensor, hard: Tensor, classes: int, samples: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Draw half hard, half easy pixels of each class and image; yield image, class and positions."""
    labels, hard = labels.flatten(1), hard.flatten(1)
    order = torch.rand(labels.numel(), device=labels.device).view_as(labels)
    for image in range(len(labels)):
        for c in range(classes):
            own = labels[image] == c
            sides = [(own & side).nonzero()[:, 0] for side in (hard[image], ~hard[image])]
            number = min(len(sides[0]), max(samples - len(sides[1]), samples // 2))
            drawn = [side[order[image, side].argsort()] for side in sides]
            yield image, c, torch.cat([drawn[0][:number], drawn[1][: samples - number]])


def all_bank_pairs(
    x: Tensor, labels: Tensor, rows: Tensor, scores: Tensor, row_scores: Tensor
) -> Tensor:
    """Compute Eq. 8-11 of Alonso et al. from all pairs of pixels and rows of a class.

    Args:
        x (Tensor): Vectors of shape (B, D, N).
        labels (Tensor): Their classes, (B, N).
        rows (Tensor): Bank rows of shape (C, L, D).
        scores (Tensor): Attention of the vectors, (B, N).
        row_scores (Tensor): Attention of the rows, (C, L).
    """
    x, labels, scores = x.transpose(1, 2).flatten(0, 1), labels.flatten(), scores.flatten()
    total = 0
    for c, (z, t) in enumerate(zip(rows, row_scores)):
        chosen = labels == c
        p, s = x[chosen], scores[chosen]
        distance = 1 - F.normalize(p, dim=1) @ F.normalize(z, dim=1).T
        weight = (s / s.mean())[:, None] * (t / t.mean())
        total = total + (weight * distance).mean()
    return total / len(rows)


def score_of_class(selectors: ClassSelectors, c: int, rows: Tensor, frozen: bool = False) -> Tensor:
    """Compute the attention of rows (N, D) by the module of class c, as a module for each would."""
    norm = selectors.norm
    running = (norm.running_mean[c], norm.running_var[c]) if frozen else (None, None)
    hidden = rows @ selectors.weight[c].T
    hidden = F.batch_norm(hidden, *running, norm.weight[c], norm.bias[c], training=not frozen)
    hidden = F.leaky_relu(hidden, 0.2)
    return (hidden @ selectors.score_weight[c] + selectors.score_bias[c]).sigmoid()


# ------------------------------------------------------------------ cases; a new one is a function here


def within_image(size: str, device: str) -> Iterator[Case]:
    """Supervised contrast of all pixels of an image (Zhao et al., Eq. 1), at 65 x 65 and above."""
    shapes = {'tiny': [(2, 6)], 'standard': [(2, 65), (1, 129)], 'large': [(1, 193)]}[size]
    for images, side in shapes:
        x, labels = labeled_pixels(images, side, device)
        options = {'temperature': TEMPERATURE, 'num_classes': NUM_CLASSES}

        def ours(x=x, labels=labels, options=options, keep=False) -> Tensor:
            return supervised_contrast(x, None, labels, None, **options, keep_tiles=keep)[0].mean()

        def two_views(x=x, labels=labels, options=options) -> Tensor:
            return supervised_contrast(x, x, labels, labels, **options)[0].mean()

        forms = [
            *supervised_forms(ours, partial(zip, x, labels, x, labels), images * side**4),
            Form('streamed, tiles kept', partial(ours, keep=True), 2 * side**4),
            Form('streamed, two views', two_views),
        ]
        yield Case(f'within_image {images} x {side}x{side}', [x], forms)


def batch(size: str, device: str) -> Iterator[Case]:
    """Supervised contrast of 10,000 random pixels of 16 images (Zhao et al.); large, of all."""
    images, side = (2, 6) if size == 'tiny' else (16, 65)
    number = {'tiny': 50, 'standard': 10_000, 'large': images * side * side}[size]
    x, labels = labeled_pixels(images, side, device)
    loss = SupervisedContrastLoss('batch', TEMPERATURE, number)

    def ours() -> Tensor:
        torch.manual_seed(SEED)
        return loss(x, None, labels, NUM_CLASSES)[0]

    def groups() -> Iterable[Group]:
        torch.manual_seed(SEED)
        drawn = torch.rand(labels.numel(), device=device).argsort()[:number]
        pixels, chosen = x.flatten(0, 1)[drawn], labels.flatten()[drawn]
        yield pixels, chosen, pixels, chosen

    yield Case(
        f'batch {number} of {images} x {side}x{side}',
        [x],
        supervised_forms(ours, groups, number**2),
    )


def hybrid(size: str, device: str) -> Iterator[Case]:
    """Supervised contrast of each image with itself and 4,096 pixels of the others; large, with all."""
    images, side = (3, 6) if size == 'tiny' else (4, 65)
    length = side * side
    number = {'tiny': 20, 'standard': 4096, 'large': (images - 1) * length}[size]
    x, labels = labeled_pixels(images, side, device)
    loss = SupervisedContrastLoss('hybrid', TEMPERATURE, number)

    def ours() -> Tensor:
        torch.manual_seed(SEED)
        return loss(x, None, labels, NUM_CLASSES)[0]

    def groups() -> Iterable[Group]:
        torch.manual_seed(SEED)
        drawn = torch.rand(images, (images - 1) * length, device=device).argsort(1)[:, :number]
        for i, index in enumerate(drawn):
            others = [k for k in range(images) if k != i]
            keys = torch.cat([x[i], x[others].flatten(0, 1)[index]])
            yield x[i], labels[i], keys, torch.cat([labels[i], labels[others].flatten()[index]])

    pairs = images * length * (length + number)
    yield Case(
        f'hybrid {images} x {side}x{side} + {number}', [x], supervised_forms(ours, groups, pairs)
    )


def c3semiseg(size: str, device: str) -> Iterator[Case]:
    """Contrast of C3-SemiSeg (Eq. 5): 8 images, 19 classes, 20 sampled pixels of each."""
    images, classes, samples = (2, 3, 4) if size == 'tiny' else (8, NUM_CLASSES, 20)
    x = unit(classes, images * samples, 256, device=device)
    keys = unit(classes, images * samples, 256, device=device).detach()
    mask = torch.ones(x.shape[:2], dtype=torch.bool, device=device)
    labels = torch.arange(classes, device=device).repeat_interleave(x.shape[1])

    def ours() -> Tensor:
        total, count, *_ = grouped_contrast(x, keys, mask, mask, TEMPERATURE)
        return total / count

    def dense() -> Tensor:
        return dense_c3semiseg(x.flatten(0, 1), keys.flatten(0, 1), labels)

    yield Case(
        f'c3semiseg {images} x {classes} x {samples}',
        [x],
        [Form('streamed', ours), Form('dense', dense)],
    )


def c3semiseg_sampling(size: str, device: str) -> Iterator[Case]:
    """Contrast of C3-SemiSeg with its sampling from embeddings of student and teacher, 64 x 128."""
    images, classes, samples = (2, 3, 4) if size == 'tiny' else (8, NUM_CLASSES, 20)
    height, width = (8, 8) if size == 'tiny' else (64, 128)
    x = torch.randn(images, 256, height, width, device=device, requires_grad=True)
    teacher = torch.randn(x.shape, device=device)
    labels = block_labels(images, height, width, classes, device)
    hard = torch.rand(labels.shape, device=device) < 0.3

    def ours() -> Tensor:
        torch.manual_seed(SEED)
        index, filled = sample_anchors(labels, classes, samples, hard)
        anchors, keys = (
            group_by_class(F.normalize(gather_pixels(each, index), dim=-1)) for each in (x, teacher)
        )
        mask = group_by_class(filled)
        total, count, *_ = grouped_contrast(anchors, keys, mask, mask, TEMPERATURE)
        return total / count

    def loops() -> Tensor:
        torch.manual_seed(SEED)
        anchors, keys, found = [], [], []
        for image, c, place in sample_by_loops(labels, hard, classes, samples):
            anchors.append(F.normalize(x[image].flatten(1)[:, place].T, dim=1))
            keys.append(F.normalize(teacher[image].flatten(1)[:, place].T, dim=1))
            found.append(torch.full_like(place, c))
        return dense_c3semiseg(torch.cat(anchors), torch.cat(keys), torch.cat(found))

    yield Case(
        f'c3semiseg_sampling {images} x {classes} x {samples}',
        [x],
        [Form('sorted, streamed', ours), Form('loops, dense', loops)],
    )


def csc(size: str, device: str) -> Iterator[Case]:
    """Contrast of CSC (Eq. 6, N = 1): 1,216 anchors against each other and 19 x 2,000 bank rows."""
    classes, anchors, length = (3, 4, 8) if size == 'tiny' else (NUM_CLASSES, 64, 2000)
    x = unit(classes, anchors, 256, device=device)
    bank = unit(classes, length, 256, device=device).detach()
    mask = torch.ones(x.shape[:2], dtype=torch.bool, device=device)
    bank_mask = torch.ones(bank.shape[:2], dtype=torch.bool, device=device)
    own = torch.eye(anchors, anchors + length, dtype=torch.bool, device=device)

    def ours() -> Tensor:
        total, count, *_ = grouped_contrast(
            x, x, mask, mask, TEMPERATURE, bank=bank, bank_mask=bank_mask, top_n=1
        )
        return total / count

    def loop() -> Tensor:
        total = 0
        for c in range(classes):
            same = x[c] @ torch.cat([x[c], bank[c]]).T / TEMPERATURE
            others = [torch.cat([x[k], bank[k]]) for k in range(classes) if k != c]
            negative = (x[c] @ torch.cat(others).T / TEMPERATURE).logsumexp(1)
            positive = same.masked_fill(own, -torch.inf).topk(1).values[:, 0]
            total = total + F.softplus(negative - positive).sum()
        return total / (classes * anchors)

    yield Case(
        f'csc {classes * anchors} x {classes} x {length}',
        [x],
        [Form('streamed', ours), Form('loop over classes', loop)],
    )


def memory_bank(size: str, device: str) -> Iterator[Case]:
    """Loss of the class-wise memory bank (Alonso et al., Eq. 8-11), 256 rows a class."""
    for x, labels, rows, valid in bank_and_vectors(size, device):
        scores = torch.rand(labels.shape, device=device).add(0.5).requires_grad_()
        row_scores = torch.rand(valid.shape, device=device).add(0.5).requires_grad_()
        sums = partial(class_bank_contrast, x, labels, rows, valid, scores, row_scores)
        pairs = partial(all_bank_pairs, x, labels, rows, scores, row_scores)
        yield Case(
            f'memory_bank {labels.numel()} x {valid.shape[0]} x {valid.shape[1]}',
            [x, scores, row_scores],
            [Form('class sums', lambda sums=sums: sums()[0]), Form('all pairs', pairs)],
        )


def memory_bank_selectors(size: str, device: str) -> Iterator[Case]:
    """Loss of the class-wise memory bank with the attention of pixels and rows, a module a class."""
    for x, labels, rows, valid in bank_and_vectors(size, device):
        pixels, memory = (ClassSelectors(len(rows)).to(device) for _ in range(2))
        arguments = (x, labels, rows, valid, pixels, memory)

        def ours(arguments=arguments) -> Tensor:
            x, labels, rows, valid, pixels, memory = arguments
            vectors = x.detach().transpose(1, 2).flatten(0, 1)
            scores = pixels.score_rows(vectors, labels.flatten()).view_as(labels)
            row_scores = memory.score_bank(F.normalize(rows, dim=2), valid)
            return class_bank_contrast(x, labels, rows, valid, scores, row_scores)[0]

        def loops(arguments=arguments) -> Tensor:
            x, labels, rows, _, pixels, memory = arguments
            vectors = x.detach().transpose(1, 2)
            scores, row_scores = x.new_zeros(labels.shape), []
            for c, z in enumerate(rows):
                chosen = labels == c
                scores[chosen] = score_of_class(pixels, c, vectors[chosen])
                row_scores.append(score_of_class(memory, c, F.normalize(z, dim=1)))
            return all_bank_pairs(x, labels, rows, scores, torch.stack(row_scores))

        yield Case(
            f'memory_bank_selectors {labels.numel()} x {valid.shape[0]} x {valid.shape[1]}',
            [x, *pixels.parameters(), *memory.parameters()],
            [
                Form('grouped by class, class sums', ours),
                Form('loop over classes, all pairs', loops),
            ],
        )


@torch.no_grad()
def bank_update(size: str, device: str) -> Iterator[Case]:
    """Update of the class-wise memory bank: filter, attention and rank of 5 images of 64 x 64, queue."""
    images, side, classes = (2, 8, 3) if size == 'tiny' else (5, 64, NUM_CLASSES)
    labels = block_labels(images, side, side, classes, device).flatten()
    x = torch.randn(len(labels), 256, device=device)
    logits = 10 * F.one_hot(labels, classes) + 2 * torch.randn(len(labels), classes, device=device)
    selectors = ClassSelectors(classes).to(device)
    bank = ClassMemoryBank(classes, 256, 256).to(device)
    number = 3 * images

    def good() -> Tensor:
        confidence, predicted = logits.softmax(1).max(1)
        return (predicted == labels) & (confidence > 0.95)

    @torch.no_grad()
    def ours() -> Tensor:
        bank.count.zero_()
        bank.pointer.zero_()
        chosen = labels.masked_fill(~good(), 255)
        scores = selectors.score_rows(x, chosen, frozen=True)
        index, mask = top_per_class(chosen, scores, classes, number)
        bank.enqueue(x[index], mask, scores[index], number)
        # what was written, and no pass over all that might have been
        return (bank.rows[:, :number].square().sum(2) * bank.valid[:, :number]).sum()

    @torch.no_grad()
    def loops() -> Tensor:
        total, queues, kept = 0, [x[:0]] * classes, good()
        for c in range(classes):
            rows = x[(labels == c) & kept]
            best = score_of_class(selectors, c, rows, frozen=True).argsort(descending=True)
            queues[c] = torch.cat([rows[best[:number]], queues[c]])[:256]
            total = total + queues[c].square().sum()
        return total

    yield Case(
        f'bank_update {len(labels)} x {classes} x 256',
        [],
        [Form('grouped by class', ours), Form('loop over classes', loops)],
    )


def thresholds(size: str, device: str) -> Iterator[Case]:
    """Thresholds of Dynamic Confident Region Selection (C3-SemiSeg, Eq. 6), 16 images of 256 x 512."""
    images, height, width = (2, 64, 64) if size == 'tiny' else (16, 256, 512)
    selector = DynamicConfidentRegionSelection(NUM_CLASSES).to(device)
    probs = torch.randn(images, NUM_CLASSES, height, width, device=device).mul_(2).softmax(1)
    valid = torch.ones(images, height, width, dtype=torch.bool, device=device)

    def ours() -> Tensor:
        selector.doubts.fill_(0.1)
        selector(probs, top_class(probs), valid)
        return selector.thresholds.mean()

    def lists() -> Tensor:
        found = [[] for _ in range(NUM_CLASSES)]
        confidence, labels = probs.max(1)
        for value, c in zip(confidence.flatten().tolist(), labels.flatten().tolist()):
            found[c].append(value)
        new = torch.full((NUM_CLASSES,), 0.9)
        for c, values in enumerate(found):
            if values:
                values.sort(reverse=True)
                rank = min(int(len(values) * selector.keep_ratio), len(values) - 1)
                new[c] = 0.9 + selector.momentum * (values[rank] - 0.9)
        _ = confidence >= new.to(device)[labels]
        return new.mean()

    yield Case(
        f'thresholds {images} x {height}x{width}',
        [],
        [Form('radix select', ours), Form('sorted lists', lists)],
    )


CASES: dict[str, Callable[[str, str], Iterator[Case]]] = {
    'within_image': within_image,
    'batch': batch,
    'hybrid': hybrid,
    'c3semiseg': c3semiseg,
    'c3semiseg_sampling': c3semiseg_sampling,
    'memory_bank': memory_bank,
    'memory_bank_selectors': memory_bank_selectors,
    'csc': csc,
    'bank_update': bank_update,
    'thresholds': thresholds,
}

# ------------------------------------------------------------------ measuring


def run(form: Form, leaves: list[Tensor]) -> float:
    """Compute value and gradients once."""
    loss = form.loss()
    if leaves:
        torch.autograd.grad(loss, leaves)
    return loss.detach()


def measure(case: Case, device: str, repeats: int) -> list[dict[str, str]]:
    """Measure all forms of a case, in turns.

    Args:
        case (Case): The case.
        device (str): Kind of device.
        repeats (int): Timed computations of each form.

    Returns:
        list[dict[str, str]]: A row of the table for each form.
    """
    fits = {form.name: form.needs < free_bytes(device) for form in case.forms}
    forms = [form for form in case.forms if fits[form.name]]
    values = {form.name: float(run(form, case.leaves)) for form in forms}  # also the warm-up
    works = {form.name: partial(run, form, case.leaves) for form in forms}
    found = measure_in_turns(works, device, repeats)
    base = case.forms[1].name
    rows = []
    for form in case.forms:
        name = form.name
        row = dict.fromkeys(HEADER, '-') | {'case': case.name, 'form': name}
        if fits[name]:
            milli, mega = found[name]
            row |= {'ms': f'{milli:.2f}', 'MiB': f'{mega:.2f}'}
            if fits[base]:
                row['time ratio'] = f'{found[base][0] / milli:.2f}'
                row['memory ratio'] = f'{found[base][1] / max(mega, 1e-9):.2f}'
                row['difference'] = f'{abs(values[name] / values[base] - 1):.1e}'
        rows.append(row)
    return rows
