"""Reads the page of a report as a browser would, as far as tests ask."""

import base64
import io
from html.parser import HTMLParser

from PIL import Image

#: Elements that have no end.
VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}


class PageReader(HTMLParser):
    """Collects tags, attributes and text, and refuses elements that are not closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.text, self.rows = [], [], [], [], []
        self.feed(html)
        assert self.open == [], f'not closed: {self.open}'

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or '') for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == 'tr':
            self.rows.append([])
        if tag in ('td', 'th') and self.rows:
            self.rows[-1].append('')

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or '') for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f'{tag} closes {self.open[-1:]}'
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)
        if self.rows and self.rows[-1] and {'td', 'th'} & set(self.open):
            self.rows[-1][-1] += data.strip()

    def table_row(self, first, columns=None):
        """Cells of the rows that begin with this text, of one with so many columns."""
        return [
            row[1:]
            for row in self.rows
            if row and row[0] == first and (columns is None or len(row) == columns + 1)
        ]

    def pictures(self):
        """Decode each picture."""
        found = []
        for tag, name, value in self.attributes:
            if tag == 'img' and name == 'src':
                head, _, body = value.partition('base64,')
                assert head.startswith('data:image/'), value[:80]
                image = Image.open(io.BytesIO(base64.b64decode(body)))
                image.load()
                found.append(image)
        return found


def check_self_contained(reader):
    """Refuse everything that would be fetched or run."""
    assert not {'script', 'iframe', 'object', 'embed'} & set(reader.tags)
    for tag, name, value in reader.attributes:
        assert not name.startswith('on'), (tag, name)
        if name in ('src', 'href', 'xlink:href', 'action', 'srcset'):
            assert value.startswith(('#', 'data:')), (tag, name, value)
        assert 'url(http' not in value, (tag, name)
