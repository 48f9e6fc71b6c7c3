"""The recording that comes with kmodtui: a Debian system, unpacked for as long as it is needed.

`recording.tar.xz` beside this file is made by `tests/kernel/record.py` on a
real kernel. Its two folders, `root` and `modules`, are what
`simulated_kernel.SimulatedKernel` boots.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import io
import lzma
import os
import shutil
import tarfile
import tempfile
from importlib.resources import files
from pathlib import Path, PurePosixPath

from kmodtui.errors import UnreadableError

_NAME = "recording.tar.xz"
_PREFIX = "kmodtui-demo-"


def unpack_recording() -> Path:
    """Return a new temporary folder with `root` and `modules`; it goes when the program ends.

    Raises:
        UnreadableError: the recording is missing or damaged, or there is no room for it.
    """
    try:
        folder = _new_folder()
        unpack(files(__package__).joinpath(_NAME).read_bytes(), folder)
    except FileNotFoundError:
        raise UnreadableError(
            "The recorded system of the demo is not there.",
            f"This installation has no kmodtui/demo/{_NAME}; install kmodtui again.",
        ) from None
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise UnreadableError(
            f"The recorded system of the demo is damaged: {error}.", "Install kmodtui again."
        ) from error
    except OSError as error:
        raise UnreadableError(
            f"The recorded system of the demo cannot be unpacked: {error.strerror or error}.",
            f"It needs about 10 MiB in {tempfile.gettempdir()}; set TMPDIR to use another folder.",
        ) from error
    return folder


def _new_folder() -> Path:
    """Return a folder that goes when the program ends, or when the next demo begins.

    A program that is killed cleans nothing up. It has left its lock, though, and
    that is how the next one knows.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = _lock(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    _lock(folder)  # until the process ends
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _lock(folder: Path) -> int:
    """Return a descriptor that holds a lock on a folder of this user; OSError if another does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a recording into a folder: files, folders and relative links within it.

    The tarfile module's own filter is not in every Python 3.11 that
    distributions ship, and this is faster: nothing is asked of the system twice.

    Raises:
        tarfile.TarError: a member is of another kind, or lies outside of the folder.
    """
    made: set[PurePosixPath] = set()
    links: list[tuple[PurePosixPath, str]] = []
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(archive))) as tar:
        for member in tar:
            path = _inside(PurePosixPath(member.name))
            _make_folder(folder, path if member.isdir() else path.parent, made)
            if member.isfile() and (content := tar.extractfile(member)):
                _write(folder / path, content.read(), member.mode)
            elif member.issym():
                _inside(path.parent / member.linkname)
                links.append((path, member.linkname))
            elif not member.isdir():
                raise tarfile.ExtractError(f"{member.name} is no file, folder or link")
    # Last, so that nothing is ever written through one.
    for path, target in links:
        (folder / path).symlink_to(target)


def _inside(path: PurePosixPath) -> PurePosixPath:
    """Return a member's path without `.` and `..`, which must not lead out."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part in ("..", "/"):
            raise tarfile.ExtractError(f"{path} leads out of the recording")
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)


def _make_folder(folder: Path, path: PurePosixPath, made: set[PurePosixPath]) -> None:
    if path not in made:
        (folder / path).mkdir(parents=True, exist_ok=True)
        made.add(path)


def _write(path: Path, data: bytes, mode: int) -> None:
    # Readable and replaceable by whoever runs the demo, whatever it was on the recorded system.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o777)
    with open(descriptor, "wb", buffering=0) as file:
        file.write(data)
