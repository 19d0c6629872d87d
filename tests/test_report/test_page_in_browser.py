"""The page as a person sees it. Skipped where there is no Chromium."""

from pathlib import Path

import browser
import pytest
from page_reader import PageReader

from mmseg_contrast.report.page import write_page

WIDTHS = (400, 1400)
EXAMPLE = Path(__file__).parents[2] / 'docs' / 'report_example.html'
needs_browser = pytest.mark.skipif(browser.CHROMIUM is None, reason='there is no Chromium')


def luminance(color):
    red, green, blue = (int(v) for v in color.removeprefix('rgb(').rstrip(')').split(','))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@needs_browser
@pytest.mark.parametrize('dark', [False, True])
def test_the_example_of_the_docs(tmp_path, dark):
    expected = PageReader(EXAMPLE.read_text(encoding='utf-8'))
    seen, complaints = browser.look_at(EXAMPLE, tmp_path, WIDTHS, dark)
    assert complaints == []
    assert [each['width'] for each in seen] == [*WIDTHS]
    for each in seen:
        assert each['overflow'] <= 0, 'it can be read without scrolling sideways'
        assert each['broken'] == [] and each['images'] == len(expected.pictures()) > 0
        assert each['charts'] > 8 and each['flat'] == 0
        assert (luminance(each['background']) < luminance(each['ink'])) is dark


@needs_browser
def test_long_names_do_not_break_the_page(tmp_path, make_run):
    run = make_run({f'unsup.{"very_long_name_" * 8}.loss_a': [(1, 1.0), (2, 2.0)]})
    run.name = 'a_folder_with_a_name_without_end_' * 5
    run.start.classes[0] = 'a class whose name nobody can remember ' * 4
    run.start.environment['path'] = '/usr/lib/' + 'x' * 300
    page = tmp_path / 'report.html'
    write_page(page, [run], make_run())
    seen, complaints = browser.look_at(page, tmp_path, WIDTHS)
    assert complaints == []
    assert max(each['overflow'] for each in seen) <= 0
