"""`kmodtui info` against kmod's `modinfo`, on the .ko files of Debian's kernel package."""

import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from tests.kernel.image import Image, kmod

AT_A_TIME = 500


def files_of(debian: Image) -> list[Path]:
    files = sorted(debian.modules.rglob("*.ko"))
    assert len(files) > 3000
    return files


def printed(command: Sequence[str], files: Sequence[Path]) -> list[bytes]:
    """One piece for each file, each beginning with its `filename:`."""
    result = subprocess.run(
        [*command, *map(str, files)], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    head, *pieces = re.split(rb"^filename:", result.stdout, flags=re.MULTILINE)
    assert head == b""
    return pieces


def test_info_prints_what_modinfo_prints_for_every_module(debian: Image) -> None:
    files = files_of(debian)
    for start in range(0, len(files), AT_A_TIME):
        some = files[start : start + AT_A_TIME]
        theirs = printed(kmod("modinfo"), some)
        ours = printed([sys.executable, "-m", "kmodtui", "info"], some)
        assert len(theirs) == len(some)
        for their, our in zip_longest(theirs, ours):
            assert our == their
