"""The guest with Debian's newest kernel, kmod and Python: sid, booted as the other ones.

    python -m tests.kernel.sid              make the cached image, print where it is

In a file of its own: after a change of `image`, all images are made anew.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path

from tests.kernel.host_commands import CannotRunError, provide, run
from tests.kernel.image import (
    BUSYBOX,
    NOT_UNPACKED,
    Distribution,
    Image,
    _configure,
    _make_initramfs,
    _remove_unused,
    cache_folder,
    lock,
    make_disk,
)

_LEFT_OUT = ("apparmor", "dosfstools", "kmon", "screen", "tmux")

SID = Distribution(
    "sid",
    "sid",
    tuple(name for name in BUSYBOX.packages if name not in _LEFT_OUT),
    BUSYBOX.init,
    writable=False,
)


def cached_sid() -> Image:
    """Return the image, made first if the cache does not hold it.

    Raises:
        CannotRunError: it cannot be made; the text says why, in one line.
    """
    provide()
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    image = Image(SID.folder, SID)
    with lock(root / "build.lock", fcntl.LOCK_EX):
        if not image.folder.exists():
            _remove_unused(SID.outdated)
            unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=root))
            unfinished.chmod(0o755)
            _build(Image(unfinished, SID))
            unfinished.rename(image.folder)
    return image


def _build(image: Image) -> None:
    command = [
        "mmdebstrap",
        "--variant=minbase",
        # A mirror may be older than the signature of sid, which is made anew several times a day.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::http::Timeout "20"',
        f"--include={','.join((SID.kernel, *SID.packages))}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_UNPACKED),
        SID.suite,
        str(image.tree),
    ]
    try:
        run(command)
    except RuntimeError as error:
        why = [line for line in str(error).splitlines() if line.startswith("E: ")]
        raise CannotRunError(
            f"the tests in sid could not make a Debian tree: {why[0] if why else error}"
        ) from error
    _configure(image)
    kernel = image.tree / "boot" / f"vmlinuz-{image.release}"
    shutil.copy(kernel if kernel.exists() else image.modules / "vmlinuz", image.kernel)
    _make_initramfs(image)
    make_disk(image.tree, image.disk, "3G")


if __name__ == "__main__":
    print(cached_sid().folder)
