"""The documents of the repository: their links, and the commands in their shell blocks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    {*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('configs/*/README.md')}
)
FENCE = re.compile(r'^( *)```(.*?)\n(.*?)^ *```', re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    """Return the path of a document below the repository."""
    return str(path.relative_to(ROOT))


def shell_blocks(text: str) -> list[str]:
    """Return what stands in the blocks of bash."""
    return [code for _, language, code in FENCE.findall(text) if language == 'bash']


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in the blocks of bash, with variables of the document put in."""
    variables = {}
    for block in shell_blocks(text):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            # OMP_NUM_THREADS=1 and such before a command
            while len(words) > 1 and re.match(r'[A-Z_]+=', words[0]):
                words = words[1:]
            if len(words) == 1 and re.match(r'[A-Z]+=', words[0]):
                name, value = words[0].split('=', 1)
                variables[f'${name}'] = shlex.split(value)
            elif words:
                yield [part for word in words for part in variables.get(word, [word])]


def links(text: str) -> list[tuple[str, str]]:
    """Return path and anchor of each link within the repository, blocks of code left out."""
    prose = re.sub(r'`[^`\n]*`', '', FENCE.sub('', text))
    return re.findall(r'\]\((?![a-z]+:)([^)\s#]*)#?([^)\s]*)\)', prose)


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as code hosts make them."""
    titles = re.findall(r'^#+ +(.*?) *$', FENCE.sub('', text), re.MULTILINE)
    plain = (re.sub(r'[`*]|\]\([^)]*\)|\[', '', title).lower() for title in titles)
    return {re.sub(r'[^\w\- ]', '', title).replace(' ', '-') for title in plain}
