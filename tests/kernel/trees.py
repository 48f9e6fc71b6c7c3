"""Captured trees with the modules of a kernel package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.kernel.image import Image


def add_modules(tree: Path, image: Image) -> None:
    """Add /lib/modules/RELEASE. A symbolic link would not do: those of a tree stay inside it."""
    shutil.copytree(
        image.modules, tree / "lib/modules" / image.release, symlinks=True, copy_function=_link
    )


def _link(source: str, target: str) -> None:
    """Copy a file, where possible without its data."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
