"""Equations as MathML, which browsers show by themselves: no script, no network."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import wrap_displaymath
from sphinx.writers.html5 import HTML5Translator


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write an equation within a line."""
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write an equation of its own; several lines are aligned at ``&``."""
    self.body.append(self.starttag(node, 'div', CLASS='math'))
    self.body.append(convert(wrap_displaymath(node.astext(), None, False), display='block'))
    self.body.append('</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer(
        'mathml', inline_renderers=(inline, None), block_renderers=(block, None)
    )
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
