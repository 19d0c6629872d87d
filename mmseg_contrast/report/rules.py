"""What to try next: short rules, each with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .measures import calibration_error, last_mean, passes_over, precision_of, recall_of
from .run_data import RunData, logged_name, value_near
from .symptoms import MIN_FEWER, ZERO_REASONS, drifts

#: A difference of mIoU, in points, that is more than noise.
NOTABLE = 1.0
#: Log intervals on end for which something must hold.
PATIENCE = 3
LOW_COVERAGE = 0.2
#: Share of the iterations that a learning rate may spend at its floor.
FLOOR_SHARE = 0.2
#: Rise of the cross-entropy of the validation images over its lowest value.
OVERFIT_RISE = 1.15
LOW_FILL = 0.1
HIGH_CALIBRATION_ERROR = 0.1
WAITING_SHARE = 0.3
LOW_PRECISION = 0.5


@dataclass(frozen=True)
class Advice:
    """Something that stands out.

    Attributes:
        title (str): What it is.
        evidence (str): The numbers that show it.
        remedy (str): What to try.
    """

    title: str
    evidence: str
    remedy: str


def advise(run: RunData) -> list[Advice]:
    """Apply all rules to a run, in order of weight.

    Args:
        run (RunData): The run.
    """
    return [advice for rule in RULES for advice in rule(run)]


def teacher_below_student(run: RunData) -> Iterator[Advice]:
    """Say so where the teacher does worse than the student that it teaches.

    Args:
        run (RunData): The run.
    """
    scores = run.scores
    if 'teacher' not in scores or _in_burn_in(run, scores['teacher'][-1][0]):
        return
    teacher, student = scores['teacher'][-1][1], scores['student'][-1][1]
    if teacher <= student - NOTABLE:
        yield Advice(
            'The teacher is below the student',
            f'Teacher {teacher:.1f}, student {student:.1f} mIoU at iteration {scores["teacher"][-1][0]:,}.',
            'Let it follow faster (a larger momentum of MeanTeacherHook), or lengthen the burn-in; until '
            'then use the student.',
        )


def class_vanished(run: RunData) -> Iterator[Advice]:
    """Say which classes of the masks the teacher no longer sees, or the student never predicts.

    Args:
        run (RunData): The run.
    """
    gone = []
    for label in run.classes:
        name = logged_name(label)
        known = run.curves.get(f'sup.share/{name}', [])
        taught = run.curves.get(f'unsup.share/{name}', [])[-PATIENCE:]
        is_there = known and known[-1][1] >= MIN_FEWER
        if is_there and len(taught) == PATIENCE and not any(value for _, value in taught):
            gone.append(f'{label} ({known[-1][1]:.1%} of the masks)')
    if gone:
        yield Advice(
            'Classes have vanished from the pseudo-labels'
            if len(gone) > 1
            else 'A class has vanished from the pseudo-labels',
            f'No pixel for the last {PATIENCE} log intervals: {", ".join(gone)}.',
            'Lengthen the burn-in until the validation finds them, label more images that have them, or '
            'lower the weight of the unlabelled images (unsup_loss.loss_weight).',
        )
    if run.validations and 'student' in run.validations[-1].nets:
        confusion = np.array(run.validations[-1].nets['student'].confusion)
        recall, truth = recall_of(confusion), confusion.sum(1)
        never = [label for label, r, n in zip(run.classes, recall, truth) if n and r == 0]
        if never:
            yield Advice(
                'The student does not find some classes'
                if len(never) > 1
                else 'The student does not find a class',
                f'Recall 0 in the last validation: {", ".join(never)}.',
                'Train longer, use crops and scales in which they are large enough, or label more images '
                'that have them.',
            )


def class_drifts(run: RunData) -> Iterator[Advice]:
    """Say which classes have far more, or fewer, pseudo-labels than masks.

    Args:
        run (RunData): The run.
    """
    found = []
    for label in run.classes:
        name = logged_name(label)
        known = run.curves.get(f'sup.share/{name}', [])[-PATIENCE:]
        taught = run.curves.get(f'unsup.share/{name}', [])[-PATIENCE:]
        if len(known) < PATIENCE or len(taught) < PATIENCE:
            continue
        if all(drifts(k, t) for (_, k), (_, t) in zip(known, taught)) and taught[-1][1] > 0:
            found.append(
                f'{label} {known[-1][1]:.1%} of the masks, {taught[-1][1]:.1%} of the labels'
            )
    if found:
        yield Advice(
            'Pseudo-labels drift away from the masks',
            f'For the last {PATIENCE} log intervals: {"; ".join(found)}.',
            "Unless the images differ that much, mistakes teach themselves: jitter the labelled images' "
            "colours, slow the teacher (MeanTeacherHook(schedule='cosine')), or lower "
            'unsup_loss.loss_weight.',
        )


def low_coverage(run: RunData) -> Iterator[Advice]:
    """Say so where few pixels of the unlabelled images are used.

    Args:
        run (RunData): The run.
    """
    curve = run.curves.get('unsup.coverage', [])
    if len(curve) < PATIENCE:
        return
    coverage = last_mean([value for _, value in curve], 0.25)
    if coverage < LOW_COVERAGE:
        yield Advice(
            'Little of the unlabelled images is used',
            f'Coverage {coverage:.1%} over the last quarter of the log; {LOW_COVERAGE:.0%} is little.',
            'Lower the threshold of the selector, or lengthen the burn-in so that the teacher is surer.',
        )


def zero_terms(run: RunData) -> Iterator[Advice]:
    """Say why a term stays 0.

    Args:
        run (RunData): The run.
    """
    for name, curve in run.curves.items():
        reason = ZERO_REASONS.get(name.rsplit('.', 1)[-1])
        recent = curve[-PATIENCE:]
        if reason and len(recent) == PATIENCE and all(value == 0 for _, value in recent):
            yield Advice(
                'A term of the loss is 0',
                f'{name} is 0 for the last {PATIENCE} log intervals.',
                f'{reason[0].upper()}{reason[1:]}.',
            )


def overfits(run: RunData) -> Iterator[Advice]:
    """Say so where validation gets worse while the loss on the labels falls.

    Args:
        run (RunData): The run.
    """
    entropies = [
        (v.iteration, v.nets['student'].cross_entropy)
        for v in run.validations
        if 'student' in v.nets and v.nets['student'].cross_entropy is not None
    ]
    losses = run.curves.get('sup.decode.loss_ce') or run.curves.get('decode.loss_ce', [])
    if len(entropies) < 3 or not losses:
        return
    best_at, best = min(entropies, key=lambda pair: pair[1])
    now_at, now = entropies[-1]
    before, after = value_near(losses, best_at), losses[-1][1]
    if now > OVERFIT_RISE * best and before is not None and after < before:
        yield Advice(
            'The labelled images are being learnt by heart',
            f'From iteration {best_at:,} to {now_at:,} the loss on the labels fell from {before:.3f} to '
            f'{after:.3f}, and the cross-entropy of the validation images rose from {best:.3f} to {now:.3f}.',
            'Stop earlier (CheckpointHook(save_best=...)), augment the labelled images more, raise weight '
            'decay, or give the unlabelled images more weight.',
        )


def best_was_earlier(run: RunData) -> Iterator[Advice]:
    """Say so where the last validation is well below the best.

    Args:
        run (RunData): The run.
    """
    for net, curve in run.scores.items():
        best_at, best = max(curve, key=lambda pair: pair[1])
        if best >= curve[-1][1] + 2 * NOTABLE:
            yield Advice(
                f'The {net} was better before',
                f'{best:.1f} mIoU at iteration {best_at:,}, {curve[-1][1]:.1f} at {curve[-1][0]:,}.',
                f"Keep the best checkpoint, CheckpointHook(save_best='{_score_name(run, net)}'); where it "
                'falls steadily, lower the weight of the unlabelled images.',
            )


def still_rises(run: RunData) -> Iterator[Advice]:
    """Say so where a finished training was still getting better.

    Args:
        run (RunData): The run.
    """
    curve = run.scores.get('student', [])
    if not run.max_iters or run.iteration < run.max_iters or len(curve) < 3:
        return
    before = value_near(curve, round(0.75 * run.iteration))
    if before is not None and curve[-1][1] >= before + 2 * NOTABLE:
        yield Advice(
            'It was still getting better',
            f'{before:.1f} mIoU after three quarters of the training, {curve[-1][1]:.1f} at its end.',
            'Train longer, and lengthen the schedule with it.',
        )


def schedule_ends_early(run: RunData) -> Iterator[Advice]:
    """Say so where the learning rate reaches its floor long before the end, or is far from it there.

    Args:
        run (RunData): The run.
    """
    curve = run.curves.get('lr', [])
    if len(curve) < 5:
        return
    steps, rates = zip(*curve)
    peak, floor = max(rates), rates[-1]
    at_floor = steps[-1] - next(step for step, rate in curve if _holds_from(curve, step, floor))
    length = run.max_iters or steps[-1]
    if floor < 0.9 * peak and at_floor > FLOOR_SHARE * length:
        yield Advice(
            'The schedule ends early',
            f'The learning rate stands at {floor:.3g} for the last {at_floor:,} of {steps[-1]:,} iterations; '
            f'its peak was {peak:.3g}.',
            'Set end of the last param_scheduler to the length of the training.',
        )
    finished = run.max_iters and run.iteration >= run.max_iters
    if finished and 0.5 * peak < floor < 0.999 * peak and rates[-1] < rates[-2]:
        yield Advice(
            'The training ends before its schedule',
            f'The learning rate is still {floor / peak:.0%} of its peak at the last iteration.',
            'Set end of the last param_scheduler to the length of the training, or train longer.',
        )


def bank_never_fills(run: RunData) -> Iterator[Advice]:
    """Say so where a memory bank stays almost empty, as a whole or for some classes.

    Args:
        run (RunData): The run.
    """
    for name, curve in run.curves.items():
        if not name.startswith('bank') or not name.endswith('.fill') or len(curve) < PATIENCE:
            continue
        bank, fill = name.removesuffix('.fill'), curve[-1][1]
        fills = [run.last(f'{bank}/fill/{logged_name(label)}') for label in run.classes]
        empty = [label for label, each in zip(run.classes, fills) if each == 0]
        if fill < LOW_FILL or empty:
            evidence = f'{bank} is {fill:.1%} full after {curve[-1][0]:,} iterations'
            yield Advice(
                'A memory bank does not fill',
                evidence + (f'; no row of {", ".join(empty)}.' if empty else '.'),
                'Lower confidence of the contrast head or start the bank later; a class without rows takes '
                'no part in the contrast.',
            )


def badly_calibrated(run: RunData) -> Iterator[Advice]:
    """Say so where confidences are far from the share that is right; of the teacher, where there is one.

    Args:
        run (RunData): The run.
    """
    nets = run.validations[-1].nets if run.validations else {}
    net = 'teacher' if 'teacher' in nets else 'student'
    if net not in nets:
        return
    bins = np.array(nets[net].bins)
    error = calibration_error(bins)
    if error > HIGH_CALIBRATION_ERROR:
        _, confidence, correct = bins.sum(1) / bins[0].sum()
        kind = 'surer than it is right' if confidence > correct else 'right more often than it says'
        yield Advice(
            f'The {net if len(nets) > 1 else "model"} is {kind}',
            f'Mean confidence {confidence:.1%}, {correct:.1%} right; calibration error {error:.3f}.',
            'Choose fixed thresholds on its confidence by the calibration curve below, or a selector that '
            'adapts.',
        )


def labels_are_wrong(run: RunData) -> Iterator[Advice]:
    """Say which classes' pseudo-labels are mostly wrong, where masks to look at were given.

    Args:
        run (RunData): The run.
    """
    monitor = run.validations[-1].monitor if run.validations else None
    if monitor is None or _in_burn_in(run, run.validations[-1].iteration):
        return
    confusion = np.array(monitor.all if monitor.kept is None else monitor.kept)
    precision = precision_of(confusion)
    wrong = [f'{c} {p:.0%}' for c, p in zip(run.classes, precision) if p < LOW_PRECISION]
    if wrong:
        yield Advice(
            'Pseudo-labels of some classes are mostly wrong',
            f'Precision on the {monitor.images} monitored images: {", ".join(wrong)}.',
            'Raise the threshold of these classes, lengthen the burn-in, or label more images that have '
            'them.',
        )


def waits_for_data(run: RunData) -> Iterator[Advice]:
    """Say so where a step waits for its images.

    Args:
        run (RunData): The run.
    """
    waits, times = run.curves.get('data_time', []), run.curves.get('time', [])
    if len(times) < PATIENCE or len(waits) < PATIENCE:
        return
    wait, time = (last_mean([value for _, value in curve], 0.5) for curve in (waits, times))
    if wait > WAITING_SHARE * time:
        yield Advice(
            'Training waits for images',
            f'{wait:.2f} s of the {time:.2f} s of a step.',
            'Raise num_workers of train_dataloader, or store smaller images.',
        )


def sets_seen_seldom(run: RunData) -> Iterator[Advice]:
    """Say which sets a finished training has not gone over once.

    Args:
        run (RunData): The run.
    """
    if not run.start or not run.max_iters or run.iteration < run.max_iters:
        return
    for each in run.start.sets:
        steps = run.iteration - (run.start.burn_in if each.name.startswith('unlabelled') else 0)
        passes = passes_over(each.images, each.per_step, max(steps, 0)) if each.images else 1
        if passes < 1:
            yield Advice(
                f'Not all {each.name} images were used',
                f'{passes:.0%} of the {each.images:,} images were seen.',
                'Train longer, or take more of them in a step (source_ratio of the sampler).',
            )


RULES: tuple[Callable[[RunData], Iterator[Advice]], ...] = (
    zero_terms,
    class_vanished,
    class_drifts,
    teacher_below_student,
    low_coverage,
    labels_are_wrong,
    overfits,
    best_was_earlier,
    bank_never_fills,
    schedule_ends_early,
    still_rises,
    badly_calibrated,
    sets_seen_seldom,
    waits_for_data,
)


def _in_burn_in(run: RunData, iteration: int) -> bool:
    return run.start is not None and iteration <= run.start.burn_in


def _score_name(run: RunData, net: str) -> str:
    return f'{net}/mIoU' if f'{net}/mIoU' in run.curves else 'mIoU'


def _holds_from(curve: list[tuple[int, float]], step: int, value: float) -> bool:
    return all(abs(rate - value) <= 1e-3 * value + 1e-12 for at, rate in curve if at >= step)
