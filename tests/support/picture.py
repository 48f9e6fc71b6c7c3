"""Converts an SVG of a terminal's screen to PNG, to look at it.

    python -m tests.support.picture SCREEN.svg SCREEN.png

The text is drawn in DejaVu Sans Mono, which has to be installed: its line
drawing has no gaps, and most Linux desktops have it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import resvg_py

FONTS = Path("/usr/share/fonts/truetype/dejavu")
FAMILY = "DejaVu Sans Mono"

_FONT_FACE = re.compile(r"@font-face\s*{[^}]*}")
_FONT_FAMILY = re.compile(r"font-family:[^;}]*")


def png(svg: str, *, zoom: float = 1) -> bytes:
    """Return the picture as PNG.

    Raises:
        FileNotFoundError: the font is not installed.
    """
    if not (FONTS / "DejaVuSansMono.ttf").exists():
        raise FileNotFoundError(f"{FAMILY} is not in {FONTS}: apt-get install fonts-dejavu-core")
    # The fonts that an export refers to are on a web server.
    svg = _FONT_FAMILY.sub(f"font-family: {FAMILY}", _FONT_FACE.sub("", svg))
    return resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        skip_system_fonts=True,
        font_dirs=[str(FONTS)],
        font_family=FAMILY,
        monospace_family=FAMILY,
    )


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_bytes(png(source.read_text(encoding="utf-8")))
