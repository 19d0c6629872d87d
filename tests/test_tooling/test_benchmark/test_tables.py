"""The text of the tables, from results that are made up."""

import statistics

import pytest
from made_up_results import benchmark, write

from mmseg_contrast.tooling.benchmark.tables import (
    csv_rows,
    fill,
    group,
    markdown,
    read_results,
)


@pytest.fixture
def results(tmp_path):
    for seed in range(3):
        write(tmp_path, 'labels-alone', seed, 0.5 + 0.01 * seed)
        if seed < 2:
            write(tmp_path, 'new', seed, 0.6, teacher=0.7, device='Some GPU')
    write(tmp_path, 'all-labels', 0, 0.9, labels='all')
    return read_results(benchmark(), tmp_path)


def cells(text):
    return [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in text.splitlines()
        if '|' in line
    ]


def test_the_table_of_gains(results):
    [each] = group(benchmark(), results)
    text = markdown([each])
    assert text.splitlines()[0] == '**streets, 2 labels, tiny**'
    assert text.splitlines()[-1] == (
        'Trained on Some CPU (4 runs), Some GPU (2 runs). '
        'The interval of a single seed is over images alone.'
    )
    header, bars, alone, new, ceiling = cells(text)
    assert header == [
        'method',
        'seeds',
        'student',
        'teacher',
        'best',
        'gain',
        '95 % interval',
        'ECE',
        'minutes',
        'MiB',
    ]
    assert bars == ['---', *['---:'] * 9]
    students = [r['student']['last'] for r in results if r['method'] == 'labels-alone']
    mean, deviation = statistics.fmean(students), statistics.stdev(students)
    assert alone == [
        'labels-alone',
        '0 1 2',
        f'{mean:.2f} ± {deviation:.2f}',
        '-',
        f'{mean + 1:.2f} ± {deviation:.2f}',
        '-',
        '-',
        '5.0',
        '11.0',
        '1,500',
    ]
    gain = each.rows[1].gain
    teachers = [r['teacher']['last'] for r in results if r['method'] == 'new']
    assert new[:2] == ['new', '0 1']
    assert new[3] == f'{statistics.fmean(teachers):.2f} ± {statistics.stdev(teachers):.2f}'
    assert new[4].startswith(f'{statistics.fmean(teachers) + 1:.2f}')
    assert new[5] == f'{statistics.fmean(t - s for t, s in zip(teachers, students)):+.2f}'
    assert new[6] == f'{gain.low:+.2f} to {gain.high:+.2f}'
    assert new[8] == '10.5'
    assert ceiling[0] == 'all-labels'
    assert float(ceiling[5]) == pytest.approx(float(ceiling[2]) - students[0], abs=0.01)


def test_the_table_of_classes(results):
    [each] = group(benchmark(), results)
    header, _, *rows = cells(markdown([each], 'classes'))
    assert header == ['class', 'new', 'all-labels']
    assert [row[0] for row in rows] == ['sky', 'road', 'tree']
    pairs = [
        (ours['teacher']['iou'][1], theirs['student']['iou'][1])
        for ours in results
        for theirs in results
        if (ours['method'], theirs['method']) == ('new', 'labels-alone')
        and ours['seed'] == theirs['seed']
    ]
    assert len(pairs) == 2
    assert float(rows[1][1]) == pytest.approx(statistics.fmean(a - b for a, b in pairs), abs=0.051)


def test_patterns_choose_rows_and_the_baseline_stays(results):
    def methods(*patterns):
        groups = group(benchmark(), results, patterns)
        return [[row.method for row in each.rows] for each in groups]

    assert methods() == [['labels-alone', 'new', 'all-labels']]
    assert methods('new_*') == [['labels-alone', 'new']]
    # a run on all labels goes by the name of those that it is compared with
    assert methods('*_streets-2_*') == [['labels-alone', 'new', 'all-labels']]
    assert methods('labels-alone_*') == [['labels-alone']]
    assert methods('*_fields-*') == []


def test_each_data_set_and_number_of_labels_has_a_table(tmp_path):
    asked = benchmark(data=('streets', 'fields'), labels=(2, 4))
    for data, labels in (('streets', 4), ('fields', 2)):
        write(tmp_path, 'labels-alone', 0, 0.5, data=data, labels=labels)
    groups = group(asked, read_results(asked, tmp_path))
    assert [each.title for each in groups] == [
        'streets, 4 labels, tiny',
        'fields, 2 labels, tiny',
    ]
    assert markdown(groups).count('| labels-alone |') == 2


def test_numbers_for_other_programs(results):
    alone, new, ceiling = csv_rows(group(benchmark(), results))
    students = [r['student']['last'] for r in results if r['method'] == 'labels-alone']
    assert alone['student'] == f'{statistics.fmean(students):.3f}'
    assert alone['student_deviation'] == f'{statistics.stdev(students):.3f}'
    assert alone['teacher'] == alone['gain'] == ''
    assert new['seeds'] == '0 1'
    assert float(new['gain_low']) < float(new['gain']) < float(new['gain_high'])
    assert new['minutes'] == '10.500'
    assert ceiling['student_deviation'] == ''
    assert ceiling['devices'] == 'Some CPU'


def test_documents_are_filled_between_their_markers(results):
    text = (
        'Before.\n<!-- benchmark:made-up gains new_* -->\nold\n<!-- /benchmark -->\nBetween.\n'
        '<!-- benchmark:made-up classes -->\n<!-- /benchmark -->\n'
        '<!-- benchmark:other gains -->\nkept\n<!-- /benchmark -->\nAfter.\n'
    )
    filled = fill(text, benchmark(), results)
    groups = group(benchmark(), results)
    first = markdown(group(benchmark(), results, ['new_*']))
    assert filled == (
        f'Before.\n<!-- benchmark:made-up gains new_* -->\n\n{first}\n<!-- /benchmark -->\nBetween.\n'
        f'<!-- benchmark:made-up classes -->\n\n{markdown(groups, "classes")}\n<!-- /benchmark -->\n'
        '<!-- benchmark:other gains -->\nkept\n<!-- /benchmark -->\nAfter.\n'
    )
    assert fill(filled, benchmark(), results) == filled


def test_without_results_there_is_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no result of made-up: train its runs first'):
        read_results(benchmark(), tmp_path)
