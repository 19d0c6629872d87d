"""Shows a page in a headless Chromium, and says what it looks like from inside."""

import html
import json
import re
import shutil
import subprocess

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)
#: Measures a page in a frame of each width.
PROBE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
%s
<pre id="found"></pre>
<script>
addEventListener('load', () => {
  const found = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement, images = [...page.images];
    page.querySelectorAll('details').forEach(each => { each.open = true; });
    return {
      width: frame.contentWindow.innerWidth,
      overflow: root.scrollWidth - frame.contentWindow.innerWidth,
      images: images.length,
      broken: images.filter(each => !each.complete || !each.naturalWidth).map(each => each.alt),
      charts: page.querySelectorAll('.charts svg').length,
      flat: [...page.querySelectorAll('.charts svg')].filter(each => each.clientHeight < 100).length,
      background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
      ink: frame.contentWindow.getComputedStyle(page.body).color,
    };
  });
  document.getElementById('found').textContent = JSON.stringify(found);
});
</script>
"""


def look_at(page, folder, widths, dark=False):
    """Return what is seen of a page at each width, and what the browser complains of.

    Args:
        page (Path): The HTML file.
        folder (Path): Where the browser and the probe may write.
        widths (Sequence[int]): Widths in pixels.
        dark (bool): Whether the user prefers dark colours.
    """
    frames = [
        f'<iframe src="{page.resolve().as_uri()}" style="width: {w}px; height: 900px; border: 0"></iframe>'
        for w in widths
    ]
    probe = folder / 'probe.html'
    probe.write_text(PROBE % '\n'.join(frames), encoding='utf-8')
    done = subprocess.run(
        [
            CHROMIUM,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-dev-shm-usage',
            '--allow-file-access-from-files',
            f'--blink-settings=preferredColorScheme={0 if dark else 1}',
            f'--user-data-dir={folder / "profile"}',
            '--enable-logging=stderr',
            '--dump-dom',
            probe.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    complaints = [line for line in done.stderr.splitlines() if 'CONSOLE' in line]
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1])), complaints
