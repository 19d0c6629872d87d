"""Links of the pages to files of the repository, and pages that are such a file.

The pages are read on a code host too, so their links are relative paths: to other pages, to code, configs and
logs. In the site, a link to a file that is no page leads to a copy of it under ``files/``, with its code
highlighted. A page of one line, ``<!-- page: ../README.md -->``, has the text of that file.
"""

import os
import re
import shutil
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx.application import Sphinx
from sphinx.util import logging

LINK = re.compile(r'(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))')
PAGE = re.compile(r'<!-- page: (\S+) -->\n*$')
PATTERN = re.compile(r'^\S+\*\n', re.MULTILINE)
FENCE = re.compile(r'^ *```.*?^ *```', re.DOTALL | re.MULTILINE)
HIGHLIGHTED = {'.py', '.sh', '.yml', '.yaml', '.md'}
SHOWN = {'.html'}
IMAGES = {'.png', '.jpg'}

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'
log = logging.getLogger(__name__)


def find_pages(app: Sphinx) -> None:
    """Note which file of the repository is the text of which page."""
    app.repository_pages = {}
    app.repository_files = set()
    for path in DOCS.rglob('*.md'):
        found = PAGE.match(path.read_text(encoding='utf-8'))
        source = (path.parent / found[1]).resolve() if found else path
        app.repository_pages[source] = path


def resolve(app: Sphinx, name: str, source: list[str]) -> None:
    """Read the file that a page stands for, and turn links to files into links of the site."""
    page = DOCS / f'{name}.md'
    if not page.is_file():
        return
    folder, text = page.parent, source[0]
    if name == 'index':
        # Sphinx warns of a pattern that finds nothing, and some pages are made by later work.
        text = PATTERN.sub(lambda m: m[0] if [*DOCS.glob(f'{m[0].strip()}.md')] else '', text)
    if found := PAGE.match(text):
        origin = (folder / found[1]).resolve()
        folder, text = origin.parent, origin.read_text(encoding='utf-8')

    def link(match: re.Match) -> str:
        target, anchor = (folder / match[1]).resolve(), match[2] or ''
        here = page.parent
        if target in app.repository_pages:
            return os.path.relpath(app.repository_pages[target], here) + anchor
        if not target.exists():
            log.warning('%s does not exist', match[1], location=name)
            return match[0]
        if target.is_dir():
            readme = target / 'README.md'
            if readme in app.repository_pages:
                return os.path.relpath(app.repository_pages[readme], here) + anchor
            app.repository_files.add(target)
            return 'repository:' + os.path.relpath(DOCS / copy_of(target), here)
        if target.suffix in IMAGES:
            return os.path.relpath(target, here)
        app.repository_files.add(target)
        return 'repository:' + os.path.relpath(DOCS / copy_of(target), here)

    parts = re.split(f'({FENCE.pattern})', text, flags=FENCE.flags)
    # The odd parts are blocks of code.
    source[0] = ''.join(p if i % 2 else LINK.sub(link, p) for i, p in enumerate(parts))


def copy_of(path: Path) -> str:
    """Return the place of a file in the site; that of a folder is a list of its files."""
    end = '' if path.suffix in SHOWN else '.html' if path.suffix in HIGHLIGHTED else '.txt'
    return f'files/{path.relative_to(ROOT)}{end}'


def write_files(app: Sphinx, error: Exception | None) -> None:
    """Write the files that pages link to."""
    if error:
        return
    for path in sorted(app.repository_files):
        copy = Path(app.outdir) / copy_of(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            copy.write_text('\n'.join(sorted(p.name for p in path.iterdir())) + '\n', 'utf-8')
        elif path.suffix in HIGHLIGHTED:
            formatter = HtmlFormatter(full=True, title=str(path.relative_to(ROOT)))
            text = path.read_text(encoding='utf-8')
            copy.write_text(highlight(text, get_lexer_for_filename(path.name), formatter), 'utf-8')
        else:
            shutil.copyfile(path, copy)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build, which reads all pages each time: what a page links to is noted there."""
    app.connect('builder-inited', find_pages)
    app.connect('source-read', resolve)
    app.connect('build-finished', write_files)
    return {'parallel_read_safe': False, 'parallel_write_safe': True}
