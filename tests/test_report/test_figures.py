import re
from xml.etree import ElementTree

import numpy as np
import pytest

from mmseg_contrast.report.figures import (
    MAX_POINTS,
    calibration_chart,
    line_chart,
    sparkline,
    thin_out,
)

CURVE = [(step, 1 / step) for step in range(1, 9)]


def test_a_chart_is_sound_svg_in_the_colours_of_the_page():
    chart = line_chart('Loss', {'a': CURVE, '<b>': CURVE[:3]}, dashed=['<b>'], burn_in=3)
    ElementTree.fromstring(chart.svg)
    assert 'var(--s1)' in chart.svg and 'var(--s2)' in chart.svg and 'var(--muted)' in chart.svg
    assert 'burn-in ends' in chart.svg
    assert chart.series == [('a', 1, False), ('<b>', 2, True)]
    assert '<b>' not in chart.svg, 'names are in the HTML around it'
    assert not re.search(r'#0[0-9a-f]0[0-9a-f]0[0-9a-f]', chart.svg), 'no colour is left'
    assert 'metadata' not in chart.svg and 'href="http' not in chart.svg


def test_names_that_are_referred_to_are_there_once():
    svg = line_chart('Loss', {'a': CURVE}).svg
    names = re.findall(r' id="([^"]+)"', svg)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert sorted(names) == sorted(used)


def test_without_points_there_is_no_chart():
    assert line_chart('Loss', {}) is None
    assert line_chart('Loss', {'a': []}) is None
    assert line_chart('Loss', {'a': [(1, float('nan'))]}) is None
    assert calibration_chart({'student': np.zeros((3, 15))}) is None


def test_a_chart_is_the_same_each_time():
    assert line_chart('Loss', {'a': CURVE}) == line_chart('Loss', {'a': CURVE})


def test_calibration_is_drawn_by_net():
    bins = np.zeros((3, 15))
    bins[:, 13] = 10, 9, 5
    chart = calibration_chart({'student': bins, 'teacher': np.zeros((3, 15))})
    ElementTree.fromstring(chart.svg)
    assert chart.series == [('student', 1, False)]


def test_long_curves_are_thinned_by_means():
    curve = [(step, float(step % 2)) for step in range(1, 10 * MAX_POINTS + 1)]
    thin = thin_out(curve)
    assert len(thin) == MAX_POINTS
    assert thin[0] == (10, 0.5) and thin[-1] == (10 * MAX_POINTS, 0.5)
    assert thin_out(CURVE) == CURVE


def test_a_sparkline_goes_from_zero_to_its_largest_value():
    assert sparkline([(0, 0.0), (50, 2.0), (100, 1.0)], 82, 22) == '1.0,21.0 41.0,1.0 81.0,11.0'
    assert sparkline([(0, 1.0)]) == ''
    assert sparkline([(0, 0.0), (1, 0.0)]) == pytest.approx('1.0,17.0 79.0,17.0')
