"""Measure each contrastive loss against its naive form: time and peak memory, forward and backward.

The forms of a case are interleaved; times are medians after a warm-up, with an allocator that keeps its
blocks (as on a GPU). The peak is that of the allocator, gradients included and inputs not.
"""

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from mmseg_contrast.models.losses import (
    class_bank_contrast,
    grouped_contrast,
    supervised_contrast,
)
from mmseg_contrast.utils.cli import one_sentence
from mmseg_contrast.utils.measure import (
    add_measure_arguments,
    fix_conditions,
    free_bytes,
    measure_in_turns,
    report,
)

EXAMPLE = """\
examples:
  OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_losses.py --out losses.csv
  python tools/analysis_tools/benchmark_losses.py --cases within_image --sizes large --repeats 3
"""
SIZES = ('tiny', 'standard', 'large')
HEADER = ('case', 'form', 'ms', 'MiB', 'time ratio', 'memory ratio', 'difference')
TEMPERATURE = 0.07


@dataclass
class Form:
    """One way to compute a loss.

    Attributes:
        name (str): Its name in the table.
        loss (Callable[[], Tensor]): Computes it.
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
        leaves (list[Tensor]): Inputs that receive gradients.
        forms (list[Form]): Ways to compute the same loss.
    """

    name: str
    leaves: list[Tensor]
    forms: list[Form]


def unit(*shape: int, device: str) -> Tensor:
    """Draw unit vectors that receive gradients."""
    return F.normalize(torch.randn(*shape, device=device), dim=-1).requires_grad_()


# ------------------------------------------------------------------ cases; a new one is a function here


def within_image(size: str, device: str) -> Iterator[Case]:
    """Supervised contrast of all pixels of an image (Zhao et al., Eq. 1), at 65 x 65 and above."""
    shapes = {'tiny': [(2, 6)], 'standard': [(2, 65), (1, 129)], 'large': [(1, 193)]}[size]
    for images, side in shapes:
        length, classes = side * side, 19
        x = unit(images, length, 256, device=device)
        blocks = torch.randint(0, classes, (images, 1, 8, 8), device=device).float()
        labels = F.interpolate(blocks, (side, side)).long().flatten(1)
        arguments = (labels, None, TEMPERATURE, classes)

        def ours(x=x, arguments=arguments, keep=False) -> Tensor:
            return supervised_contrast(x, None, *arguments, keep_tiles=keep)[0].mean()

        def two_views(x=x, labels=labels, classes=classes) -> Tensor:
            return supervised_contrast(x, x, labels, labels, TEMPERATURE, classes)[0].mean()

        def dense(x=x, labels=labels) -> Tensor:
            losses = []
            for f, y in zip(x, labels):
                logits = f @ f.T / TEMPERATURE
                positive = (y[:, None] == y).float()
                log_prob = logits - logits.logsumexp(1, keepdim=True)
                losses.append(-((positive * log_prob).sum(1) / positive.sum(1)).mean())
            return torch.stack(losses).mean()

        pairs = 4 * length**2
        forms = [
            Form('streamed', ours),
            Form('dense', dense, 7 * pairs),
            Form('streamed, tiles kept', lambda ours=ours: ours(keep=True), pairs // 2),
            Form('streamed, two views', two_views),
        ]
        if importlib.util.find_spec('pytorch_metric_learning'):
            from pytorch_metric_learning.losses import SupConLoss

            peer = SupConLoss(temperature=TEMPERATURE)
            # It leaves an anchor's own position out, so that its value differs.
            forms.append(
                Form(
                    'pytorch-metric-learning',
                    lambda x=x, labels=labels, peer=peer: torch.stack(
                        [*map(peer, x, labels)]
                    ).mean(),
                    11 * pairs,
                )
            )
        yield Case(f'within_image {images} x {side}x{side}', [x], forms)


def c3semiseg(size: str, device: str) -> Iterator[Case]:
    """Contrast of C3-SemiSeg (Eq. 5): 8 images, 19 classes, 20 sampled pixels of each."""
    images, classes, samples = (2, 3, 4) if size == 'tiny' else (8, 19, 20)
    x = unit(classes, images * samples, 256, device=device)
    keys = unit(classes, images * samples, 256, device=device).detach()
    mask = torch.ones(x.shape[:2], dtype=torch.bool, device=device)

    def ours() -> Tensor:
        total, count, *_ = grouped_contrast(x, keys, mask, mask, TEMPERATURE)
        return total / count

    def dense() -> Tensor:
        label = torch.arange(classes, device=device).repeat_interleave(x.shape[1])
        logits = x.flatten(0, 1) @ keys.flatten(0, 1).T / TEMPERATURE
        same = label[:, None] == label
        negative = logits.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
        term = F.softplus(negative - logits)
        positive = same & ~torch.eye(len(label), dtype=torch.bool, device=device)
        return ((term * positive).sum(1) / positive.sum(1)).mean()

    yield Case(
        f'c3semiseg {images} x {classes} x {samples}',
        [x],
        [Form('streamed', ours), Form('dense', dense)],
    )


def csc(size: str, device: str) -> Iterator[Case]:
    """Contrast of CSC (Eq. 6, N = 1): 1,216 anchors against each other and 19 x 2,000 bank rows."""
    classes, anchors, length = (3, 4, 8) if size == 'tiny' else (19, 64, 2000)
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
    classes, length = (3, 4) if size == 'tiny' else (19, 256)
    for positions in {'tiny': [8]}.get(size, [1024, 2048]):
        x = torch.randn(8, 256, positions, device=device, requires_grad=True)
        labels = torch.randint(0, classes, (8, positions), device=device)
        rows = torch.randn(classes, length, 256, device=device)
        valid = torch.ones(classes, length, dtype=torch.bool, device=device)
        scores = torch.rand(8, positions, device=device).add(0.5).requires_grad_()
        row_scores = torch.rand(classes, length, device=device).add(0.5).requires_grad_()
        arguments = (x, labels, rows, valid, scores, row_scores)

        def ours(arguments=arguments) -> Tensor:
            return class_bank_contrast(*arguments)[0]

        def pairs(arguments=arguments, classes=classes) -> Tensor:
            x, labels, rows, _, scores, row_scores = arguments
            x, labels, scores = x.transpose(1, 2).flatten(0, 1), labels.flatten(), scores.flatten()
            total = 0
            for c in range(classes):
                chosen = labels == c
                p, s, z, t = x[chosen], scores[chosen], rows[c], row_scores[c]
                distance = 1 - F.normalize(p, dim=1) @ F.normalize(z, dim=1).T
                weight = (s / s.mean())[:, None] * (t / t.mean())
                total = total + (weight * distance).mean()
            return total / classes

        yield Case(
            f'memory_bank {8 * positions} x {classes} x {length}',
            [x, scores, row_scores],
            [Form('class sums', ours), Form('all pairs', pairs)],
        )


CASES: dict[str, Callable[[str, str], Iterator[Case]]] = {
    'within_image': within_image,
    'c3semiseg': c3semiseg,
    'memory_bank': memory_bank,
    'csc': csc,
}

# ------------------------------------------------------------------ measuring


def run(form: Form, leaves: list[Tensor]) -> float:
    """Compute value and gradients once."""
    loss = form.loss()
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


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--cases', nargs='+', choices=CASES, default=list(CASES), help='losses')
    parser.add_argument(
        '--sizes', choices=SIZES, default='standard', help='tiny is for tests (default: standard)'
    )
    add_measure_arguments(parser, repeats=5)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure, print the table, write the CSV."""
    args = parse_args(argv)
    conditions = fix_conditions(args.device, args.repeats)
    torch.manual_seed(0)
    rows = []
    for key in track(args.cases, description='measuring', transient=True):
        for case in CASES[key](args.sizes, args.device):
            rows += measure(case, args.device, args.repeats)
    caption = 'ratios: the naive form, second of each case, to this one; higher is better'
    report(rows, conditions, caption, args.out, num_texts=2)


if __name__ == '__main__':
    with one_sentence(OSError, RuntimeError, ValueError):
        main()
