"""The site builds without a warning, its equations are MathML, and its links to files lead to copies."""

import html
import importlib.util
import re
import subprocess
import sys

import pytest
from documents import ROOT

NEEDED = ('sphinx', 'myst_parser', 'furo', 'sphinx_copybutton', 'latex2mathml')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        ['bash', str(ROOT / 'tools' / 'dev' / 'build_docs.sh'), str(out)],
        env={'PYTHON': sys.executable, 'PATH': '/usr/bin:/bin', 'HOME': str(out)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_links_of_the_site_lead_somewhere(site):
    found = 0
    for page in site.rglob('*.html'):
        if site / 'files' in page.parents:
            continue
        for link in re.findall(r'href="([^"#?]+)', page.read_text(encoding='utf-8')):
            if not re.match(r'[a-z]+:', link):
                assert (page.parent / html.unescape(link)).exists(), (page, link)
                found += 'files/' in link
    assert found > 100


def test_equations_are_mathml(site):
    text = (site / 'api' / 'losses.html').read_text(encoding='utf-8')
    assert text.count('<math') > 10
    # No script from elsewhere draws them.
    assert not re.search(r'<script[^>]*src="(http|//)', text)


def test_a_page_may_be_another_file(site):
    text = (site / 'methods' / 'c3semiseg.html').read_text(encoding='utf-8')
    assert '<h1>C3-SemiSeg' in text
    assert 'href="../files/configs/_base_/methods/c3semiseg.py.html"' in text
