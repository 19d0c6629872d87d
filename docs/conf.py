"""The site of the documentation; tools/dev/build_docs.sh builds it."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'docs' / '_ext')]
os.environ.setdefault('OMP_NUM_THREADS', '1')

from mmcv.transforms.utils import cache_randomness  # noqa: E402

from mmseg_contrast import __version__  # noqa: E402

# MMCV's descriptor fails where it is looked up on a class, as autodoc does.
_of_instance = cache_randomness.__get__
cache_randomness.__get__ = lambda self, instance, owner=None: (
    self if instance is None else _of_instance(self, instance, owner)
)

project = 'mmseg_contrast'
author = 'The mmseg_contrast authors'
copyright = f'2026, {author}'
version = release = __version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx_copybutton',
    'mathml',
    'repository_files',
]
exclude_patterns = ['_build', '_ext', 'pictures/*.py']

# Pages
myst_enable_extensions = ['dollarmath', 'deflist', 'colon_fence']
myst_heading_anchors = 4
# `repository_files` gives links to files outside of the site this scheme.
myst_url_schemes = {'http': None, 'https': None, 'mailto': None, 'repository': '{{path}}'}

# API
add_module_names = False
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
autodoc_typehints = 'none'  # Args says more
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Look
html_theme = 'furo'
html_title = f'mmseg_contrast {version}'
html_static_path = ['_static']
html_css_files = ['site.css']
html_math_renderer = 'mathml'
html_copy_source = False
html_show_sphinx = False
pygments_style = 'friendly'
pygments_dark_style = 'monokai'
copybutton_prompt_text = '$ '
