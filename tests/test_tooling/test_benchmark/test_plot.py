"""The picture of the gains."""

import io

import matplotlib.figure
import pytest
from made_up_results import benchmark, write
from PIL import Image

from mmseg_contrast.tooling.benchmark.plot import draw_gains
from mmseg_contrast.tooling.benchmark.tables import group, read_results


def test_each_gain_is_drawn_with_its_interval(tmp_path, monkeypatch):
    asked = benchmark(data=('streets', 'fields'), labels=(2, 4))
    for data, labels in (('streets', 2), ('streets', 4), ('fields', 2)):
        for seed in range(2):
            write(tmp_path, 'labels-alone', seed, 0.5, data=data, labels=labels)
            write(tmp_path, 'new', seed, 0.7, data=data, labels=labels)
    write(tmp_path, 'all-labels', 0, 0.9, labels='all')
    groups = group(asked, read_results(asked, tmp_path))
    figures = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        'savefig',
        lambda self, *args, **kwargs: figures.append(self) or save(self, *args, **kwargs),
    )
    image = Image.open(io.BytesIO(draw_gains(groups)))
    assert image.format == 'PNG'
    panels = [axis for axis in figures[0].axes if axis.get_visible()]
    assert [axis.get_title() for axis in panels] == [each.title for each in groups]
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ['new', 'all-labels']
    for axis, each in zip(panels, groups):
        [bars] = axis.containers
        points, _, [lines] = bars
        assert points.get_xdata() == pytest.approx([row.gain.mean for row in each.gaining])
        drawn = [segment[:, 0].tolist() for segment in lines.get_segments()]
        for ends, row in zip(drawn, each.gaining, strict=True):
            assert ends == pytest.approx([row.gain.low, row.gain.high])


def test_without_a_gain_there_is_no_picture(tmp_path):
    write(tmp_path, 'new', 0, 0.7)
    with pytest.raises(ValueError, match='no method has a gain yet'):
        draw_gains(group(benchmark(), read_results(benchmark(), tmp_path)))
