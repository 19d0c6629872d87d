"""The page of one or several runs: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from ..files import write_file
from ..scalars import Curve
from ..structures.step import BRANCHES
from .figures import CSC_PANELS, Chart, calibration_chart, line_chart, sparkline
from .measures import (
    calibration_error,
    last_mean,
    mean_percent,
    passes_over,
    precision_of,
    recall_of,
    shares_of,
)
from .rules import advise
from .run_data import RunData, logged_name
from .symptoms import drifts

#: What is not known, and the sign of a negative number, as typographers set them.
UNKNOWN, MINUS = '\N{EN DASH}', '\N{MINUS SIGN}'
#: The page of a run, in its work folder.
NAME = 'report.html'
#: Classes up to which the confusion matrix is shown whole, and confusions that are named.
MAX_MATRIX = 40
NUM_CONFUSIONS = 8
NO_COLOR = [128, 128, 128]


def write_page(path: Path, runs: Sequence[RunData], baseline: RunData | None = None) -> None:
    """Write the page of one or several runs.

    Args:
        path (Path): The HTML file.
        runs (Sequence[RunData]): The runs, in order.
        baseline (RunData, optional): What gains are over.
    """
    write_file(path, render(runs, baseline))


def render(runs: Sequence[RunData], baseline: RunData | None = None) -> str:
    """Return the page as HTML.

    Args:
        runs (Sequence[RunData]): The runs, in order.
        baseline (RunData, optional): What gains are over.
    """
    views = [
        _view(run, None if run is baseline else baseline, number)
        for number, run in enumerate(runs, 1)
    ]
    title = ' · '.join(run.name for run in runs)
    return _template().render(title=title, runs=views, baseline=baseline and baseline.name)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader('mmseg_contrast.report', '.'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number, signed=signed)
    return environment.get_template('template.html.j2')


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share in percent; what is not known is a dash.

    Args:
        value (float | None): The share, in [0, 1].
        digits (int): Digits behind the point.
    """
    return UNKNOWN if _unknown(value) else f'{100 * value:.{digits}f}'


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with so many significant digits; what is not known is a dash.

    Args:
        value (float | None): The number.
        digits (int): Significant digits.
    """
    if _unknown(value):
        return UNKNOWN
    if abs(value) >= 10**digits:
        return f'{value:,.0f}'
    return f'{value:.{digits}g}'


def signed(value: float | None, digits: int = 1) -> str:
    """Format a difference with its sign; what is not known is a dash.

    Args:
        value (float | None): The difference.
        digits (int): Digits behind the point.
    """
    if _unknown(value):
        return UNKNOWN
    text = f'{value:+.{digits}f}'
    return text.replace('-', MINUS) if float(text) else text[1:]


def _unknown(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


# ---------------------------------------------------------------------- what the template shows


def _view(run: RunData, baseline: RunData | None, index: int) -> dict[str, Any]:
    return {
        'id': f'run{index}',
        'name': run.name,
        'state': _state(run),
        'recorded': bool(run.starts),
        'tiles': _tiles(run, baseline),
        'advice': advise(run),
        'scores': _marked([_score_chart(run, baseline)]),
        'classes': _class_table(run, baseline),
        'losses': _marked(_loss_charts(run)),
        'terms': _terms(run),
        'labels': _marked(_label_charts(run)),
        'label_rows': _label_rows(run),
        'monitor': run.validations[-1].monitor if run.validations else None,
        'contrast': _marked(_contrast_charts(run)),
        'banks': _banks(run),
        'within': _within(run),
        'pictures': _pictures(run),
        'worst': _worst(run),
        'confusion': _confusion(run),
        'calibration': _calibration(run),
        'cost': _cost(run),
        'setup': _setup(run),
        'config': run.config,
    }


def _state(run: RunData) -> str:
    done = f'{run.iteration:,}'
    if not run.max_iters:
        text = f'{done} iterations'
    elif run.iteration >= run.max_iters:
        text = f'finished after {done} iterations'
    else:
        text = f'at iteration {done} of {run.max_iters:,}'
    return f'{text}, last written {run.written}' if run.written else text


def _tiles(run: RunData, baseline: RunData | None) -> list[dict[str, str]]:
    tiles = []
    scores = run.scores
    names = {'student': 'Student' if 'teacher' in scores else 'mIoU', 'teacher': 'Teacher'}
    for net in BRANCHES:
        if net in scores:
            best_at, best = max(scores[net], key=lambda pair: pair[1])
            note = f'best {best:.1f} at {best_at:,}'
            tiles.append({'name': names[net], 'value': f'{scores[net][-1][1]:.1f}', 'note': note})
    if baseline and 'student' in scores and 'student' in baseline.scores:
        base = baseline.scores['student'][-1][1]
        gain = scores['student'][-1][1] - base
        note = f'over {baseline.name} ({base:.1f})'
        tiles.append({'name': 'Gain', 'value': signed(gain), 'note': note})
    coverage = run.last('unsup.coverage')
    if coverage is not None:
        note = 'of the unlabelled pixels are used'
        tiles.append({'name': 'Coverage', 'value': f'{100 * coverage:.0f} %', 'note': note})
    times = run.curves.get('time')
    if times:
        step = last_mean([value for _, value in times], 0.5)
        total = np.mean([value for _, value in times]) * run.iteration
        tiles.append({'name': 'Time', 'value': _duration(total), 'note': f'{step:.2f} s a step'})
    return tiles


def _score_chart(run: RunData, baseline: RunData | None) -> Chart | None:
    plain = 'teacher' not in run.scores
    curves: dict[str, Curve] = {
        'model' if plain else net: curve for net, curve in run.scores.items()
    }
    if baseline and 'student' in baseline.scores:
        curves['baseline'] = baseline.scores['student']
    return line_chart(
        'mIoU of the validation, in percent', curves, dashed=['baseline'], burn_in=_burn_in(run)
    )


def _class_table(run: RunData, baseline: RunData | None) -> dict[str, Any] | None:
    columns: dict[str, np.ndarray] = {}
    plain = run.iou('teacher') is None
    for net in BRANCHES:
        if (iou := run.iou(net)) is not None:
            columns['IoU' if plain else net] = iou
    if not columns:
        return None
    base = None
    if baseline and baseline.classes == run.classes:
        base = baseline.iou()
    first = next(iter(columns.values()))
    rows = []
    truth = np.array(next(iter(run.validations[-1].nets.values())).confusion).sum(1)
    for place, (label, color) in enumerate(_classes(run)):
        row = {
            'label': label,
            'color': color,
            'pixels': shares_of(truth)[place],
            'values': [column[place] for column in columns.values()],
        }
        if base is not None:
            row['base'], row['gain'] = base[place], 100 * (first[place] - base[place])
        rows.append(row)
    mean = {'values': [_percent_mean(column) for column in columns.values()]}
    if base is not None:
        mean['base'] = _percent_mean(base)
        mean['gain'] = 100 * (mean['values'][0] - mean['base'])
    return {'columns': [*columns], 'rows': rows, 'mean': mean, 'base': base is not None}


def _percent_mean(shares: np.ndarray) -> float:
    mean = mean_percent(shares)
    return math.nan if mean is None else mean / 100


def _loss_charts(run: RunData) -> list[Chart | None]:
    terms = {name: curve for name, curve in run.curves.items() if _is_term(name)}
    before = {
        name: curve
        for name, curve in run.curves.items()
        if name.split('.')[-1].endswith('_raw') or name.split('.')[-1].startswith('raw')
    }
    factors = {
        name.removesuffix('_ramp').removesuffix('.ramp'): curve
        for name, curve in run.curves.items()
        if name.endswith(('_ramp', '.ramp'))
    }
    burn_in = _burn_in(run)
    return [
        line_chart(
            'Terms of the loss',
            {_short_term(name): curve for name, curve in terms.items()},
            'As they are added up: after weight and ramp.',
            burn_in=burn_in,
        ),
        line_chart(
            'The same before weight and ramp',
            {_short_term(name): curve for name, curve in before.items()},
            'A term that falls here is being learnt.',
            burn_in=burn_in,
        ),
        line_chart('Ramps', factors, 'Share of its weight that a term has.', share=True),
        line_chart('Learning rate', {'lr': run.curves.get('lr', [])}),
    ]


def _is_term(name: str) -> bool:
    return name.split('.')[-1].startswith('loss_')


def _short_term(name: str) -> str:
    return name.replace('.loss_', '.').replace('_raw', '').replace('.raw', '')


def _terms(run: RunData) -> list[dict[str, Any]]:
    rows = []
    for name in filter(_is_term, run.curves):
        prefix, _, loss = name.rpartition('.')
        part = loss.removeprefix('loss_')
        raw = [
            run.last(f'{prefix}.{key}')
            for key in (f'{part}_raw', 'raw', 'raw_labeled', 'raw_unlabeled')
        ]
        raw = [value for value in raw if value is not None]
        ramps = (run.last(f'{prefix}.{part}_ramp'), run.last(f'{prefix}.ramp'))
        ramp = next((value for value in ramps if value is not None), None)
        rows.append(
            {
                'name': name,
                'raw': sum(raw) if raw and prefix.split('.')[0] != 'sup' else None,
                'ramp': ramp,
                'value': run.last(name),
            }
        )
    return rows


def _label_charts(run: RunData) -> list[Chart | None]:
    coverage = {'coverage': run.curves.get('unsup.coverage', [])}
    thresholds = [
        run.curves[key]
        for label in run.classes
        if (key := f'unsup.threshold/{logged_name(label)}') in run.curves
    ]
    if thresholds:
        number = min(map(len, thresholds))
        coverage['mean threshold'] = [
            (points[0][0], float(np.mean([value for _, value in points])))
            for points in zip(*(curve[-number:] for curve in thresholds))
        ]
    quality: dict[str, Curve] = {}
    for record in run.validations:
        if record.monitor is None:
            continue
        confusion = np.array(record.monitor.all)
        overall = np.trace(confusion) / confusion.sum() if confusion.sum() else math.nan
        quality.setdefault('all labels', []).append((record.iteration, float(overall)))
        if record.monitor.kept is not None:
            kept = np.array(record.monitor.kept)
            right = np.trace(kept) / kept.sum() if kept.sum() else math.nan
            quality.setdefault('kept labels', []).append((record.iteration, float(right)))
    return [
        line_chart(
            'Coverage and threshold',
            coverage,
            'Coverage: pixels that pass the selector.',
            share=True,
            burn_in=_burn_in(run) if coverage['coverage'] else 0,
        )
        if coverage['coverage']
        else None,
        line_chart('Monitored images: share of pseudo-labels that is right', quality, share=True),
    ]


def _label_rows(run: RunData) -> list[dict[str, Any]]:
    known, taught = run.by_class('sup.share'), run.by_class('unsup.share')
    if not any(value is not None for value in taught):
        return []
    coverage, threshold = run.by_class('unsup.coverage_per_class'), run.by_class('unsup.threshold')
    monitor = run.validations[-1].monitor if run.validations else None
    missing = [None] * len(known)
    precision, recall = missing, missing
    if monitor is not None:
        everything = np.array(monitor.all)
        kept = everything if monitor.kept is None else np.array(monitor.kept)
        precision = precision_of(kept).tolist()
        recall = recall_of(kept, everything.sum(1)).tolist()
    rows = []
    for place, (label, color) in enumerate(_classes(run)):
        both = known[place] is not None and taught[place] is not None
        rows.append(
            {
                'label': label,
                'color': color,
                'known': known[place],
                'taught': taught[place],
                'drifts': both and drifts(known[place], taught[place]),
                'trend': sparkline(run.curves.get(f'unsup.share/{logged_name(label)}', [])),
                'coverage': coverage[place],
                'threshold': threshold[place],
                'precision': precision[place],
                'recall': recall[place],
            }
        )
    return rows


def _contrast_charts(run: RunData) -> list[Chart | None]:
    counts = {
        name: curve
        for name, curve in run.curves.items()
        if name.rsplit('.', 1)[-1] in ('anchors', 'positives', 'negatives')
    }
    separation: dict[str, Curve] = {}
    for record in run.validations:
        for net in BRANCHES:
            each = record.nets.get(net)
            if each is None or each.between is None:
                continue
            within = [value for value in each.within if value is not None]
            prefix = f'{net}: ' if len(record.nets) > 1 else ''
            separation.setdefault(f'{prefix}within a class', []).append(
                (record.iteration, float(np.mean(within)))
            )
            separation.setdefault(f'{prefix}between classes', []).append(
                (record.iteration, each.between)
            )
    between = [name for name in separation if name.endswith('between classes')]
    fills = {
        name.removesuffix('.fill'): curve
        for name, curve in run.curves.items()
        if name.startswith('bank') and name.endswith('.fill')
    }
    charts = [
        line_chart(
            'Separation of the classes',
            separation,
            'Mean cosine of two pixels on the input of the classifier: high within, low between.',
            dashed=between,
        ),
        line_chart('Pixels in the contrast', counts, 'Mean of a step.'),
        line_chart('Fill of the memory bank', fills, share=True),
    ]
    for ending, title in CSC_PANELS.items():
        curves = {
            name.rpartition('.')[0] or name: curve
            for name, curve in run.curves.items()
            if name.rsplit('.', 1)[-1] == ending
        }
        charts.append(line_chart(f'CSC: {title}', curves))
    return charts


def _banks(run: RunData) -> list[dict[str, Any]]:
    names = sorted(
        key.removesuffix('.fill')
        for key in run.curves
        if key.startswith('bank') and key.endswith('.fill')
    )
    banks = []
    for name in names:
        fill, age, purity = (run.by_class(f'{name}/{key}') for key in ('fill', 'age', 'purity'))
        rows = [
            {'label': label, 'color': color, 'fill': f, 'age': a, 'purity': p}
            for (label, color), f, a, p in zip(_classes(run), fill, age, purity)
        ]
        banks.append({'name': name, 'rows': rows})
    return banks


def _within(run: RunData) -> list[dict[str, Any]]:
    record = run.validations[-1].nets.get('student') if run.validations else None
    if record is None or not record.within:
        return []
    return [
        {'label': label, 'color': color, 'within': value}
        for (label, color), value in zip(_classes(run), record.within)
    ]


def _pictures(run: RunData) -> list[dict[str, Any]]:
    shown = []
    for folder, step in run.pictures:
        rows = [
            {
                'title': title,
                'pictures': [
                    {'caption': caption, 'source': _data_uri(folder / file)}
                    for caption, file in row
                ],
            }
            for title, row in step.rows
        ]
        shown.append({'iteration': step.iteration, 'rows': rows})
    return shown


def _worst(run: RunData) -> list[dict[str, Any]]:
    if not run.validations or run.worst_folder is None:
        return []
    return [
        {
            'name': each.name,
            'iou': each.iou,
            'pictures': [
                {'caption': caption, 'source': _data_uri(run.worst_folder / file)}
                for caption, file in (
                    ('image', each.image),
                    ('truth', each.truth),
                    ('prediction', each.prediction),
                )
            ],
        }
        for each in run.validations[-1].worst
    ]


def _confusion(run: RunData) -> dict[str, Any] | None:
    if not run.validations or 'student' not in run.validations[-1].nets:
        return None
    counts = np.array(run.validations[-1].nets['student'].confusion)
    totals = counts.sum(1)
    shares = np.divide(
        counts, totals[:, None], out=np.zeros(counts.shape), where=totals[:, None] > 0
    )
    labels = run.classes
    wrong = shares - np.diag(np.diagonal(shares))
    order = np.argsort(-wrong, axis=None, kind='stable')[:NUM_CONFUSIONS]
    worst = [divmod(int(place), len(labels)) for place in order]
    named = [
        {'truth': labels[t], 'prediction': labels[p], 'share': float(wrong[t, p])}
        for t, p in worst
        if wrong[t, p] > 0
    ]
    matrix = []
    if len(labels) <= MAX_MATRIX:
        matrix = [
            {'label': label, 'seen': bool(total), 'cells': row.tolist()}
            for label, total, row in zip(labels, totals, shares)
        ]
    return {'labels': labels, 'matrix': matrix, 'named': named}


def _calibration(run: RunData) -> dict[str, Any] | None:
    if not run.validations:
        return None
    nets = run.validations[-1].nets
    bins = {net: np.array(nets[net].bins) for net in BRANCHES if net in nets}
    charts = _marked([calibration_chart(bins)])
    errors = {net: calibration_error(each) for net, each in bins.items()}
    entropies: dict[str, Curve] = {}
    for record in run.validations:
        for net in bins:
            if net in record.nets and record.nets[net].cross_entropy is not None:
                point = (record.iteration, record.nets[net].cross_entropy)
                entropies.setdefault(net, []).append(point)
    note = 'Rises where a net becomes too sure, or learns the labelled images by heart.'
    charts += _marked([line_chart('Cross-entropy of the validation images', entropies, note)])
    return {'charts': charts, 'errors': errors} if charts else None


def _cost(run: RunData) -> list[tuple[str, str]]:
    rows = []
    for name, title in (('time', 'A step'), ('data_time', 'of which waiting for images')):
        if curve := run.curves.get(name):
            rows.append((title, f'{last_mean([v for _, v in curve], 0.5):.3f} s'))
    if memory := run.curves.get('memory'):
        rows.append(('GPU memory, peak', f'{max(v for _, v in memory):,.0f} MB'))
    hosts = [v.host_memory for v in run.validations if v.host_memory is not None]
    if hosts:
        rows.append(('Host memory, peak', f'{max(hosts):,.0f} MB, without workers'))
    if run.start:
        for each in run.start.sets:
            steps = run.iteration - (run.start.burn_in if each.name.startswith('unlabelled') else 0)
            if each.images:
                passes = passes_over(each.images, each.per_step, max(steps, 0))
                text = f'{passes:,.1f} passes over {each.images:,} images, {each.per_step} a step'
                rows.append((f'{each.name[0].upper()}{each.name[1:]}', text))
    return rows


def _setup(run: RunData) -> list[tuple[str, str]]:
    if run.start is None:
        return []
    start = run.start
    rows = [
        ('Command', start.command),
        ('Seed', str(start.seed)),
        ('Processes', str(start.processes)),
        ('Started', ', '.join(f'{s.time} at iteration {s.iteration:,}' for s in run.starts)),
    ]
    if start.burn_in:
        rows.append(('Burn-in', f'{start.burn_in:,} iterations on labels alone'))
    return rows + [*start.environment.items()]


def _classes(run: RunData) -> list[tuple[str, list[int]]]:
    palette = run.start.palette if run.start else []
    colors = [*palette, *[NO_COLOR] * (len(run.classes) - len(palette))]
    return [*zip(run.classes, colors)]


def _burn_in(run: RunData) -> int:
    return run.start.burn_in if run.start else 0


def _marked(charts: Sequence[Chart | None]) -> list[dict[str, Any]]:
    # Charts are of our own making and hold numbers alone; names are in the HTML around them.
    return [
        {'title': c.title, 'svg': Markup(c.svg), 'series': c.series, 'note': c.note}
        for c in charts
        if c is not None
    ]


def _data_uri(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError:
        return ''
    kind = 'png' if path.suffix == '.png' else 'jpeg'
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f'{seconds:.0f} s'
    return f'{minutes} min' if minutes < 60 else f'{minutes // 60} h {minutes % 60:02d} min'
