"""A recording: the files of a machine after boot, and all modules that can be loaded there.

`recording.tar.xz` beside this file was made by `tests/kernel/record.py` on a real
kernel; see there for the format. Its `root/` is unpacked into a directory for the
readers in `kernel/`; its `modules/` are kept in memory.
"""

from __future__ import annotations

import io
import lzma
import os
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kmodtui.errors import UnreadableError

_NAME = "recording.tar.xz"


class RecordedFile(NamedTuple):
    """A file of a recording, or a symbolic link.

    Attributes:
        data: its contents.
        mode: its permission bits.
        target: target of the symbolic link; empty for a regular file.
    """

    data: bytes = b""
    mode: int = 0o444
    target: str = ""


Files = dict[str, RecordedFile]
"""Files by relative path, with `/` as separator."""


@dataclass(frozen=True)
class Recording:
    """A machine and its modules.

    Attributes:
        root: the machine's files after boot: `proc/modules`, `sys/module/ext4/refcnt`…
        modules: the files recorded of each module, by name; see `recorded_module`.
    """

    root: Files = field(default_factory=dict)
    modules: dict[str, Files] = field(default_factory=dict)


def packaged_recording() -> Recording:
    """Return the recording that comes with kmodtui.

    Raises:
        UnreadableError: it is missing or damaged.
    """
    try:
        return read_recording(files(__package__).joinpath(_NAME).read_bytes())
    except FileNotFoundError:
        raise UnreadableError(
            "The demo's recording is missing.",
            f"This installation has no kmodtui/demo/{_NAME}; reinstall kmodtui.",
        ) from None
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise UnreadableError(
            f"The demo's recording is damaged: {error}.", "Reinstall kmodtui."
        ) from error


def read_recording(archive: bytes) -> Recording:
    """Return the recording in a .tar.xz archive.

    Raises:
        tarfile.TarError, lzma.LZMAError, EOFError: it is damaged, or contains a special file,
            or a path or link that leads outside of it.
    """
    recording = Recording()
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(archive))) as tar:
        for member in tar:
            path = _inside(PurePosixPath(member.name))
            if member.issym():
                _inside(PurePosixPath(path).parent / member.linkname)
                file = RecordedFile(b"", 0o777, member.linkname)
            elif member.isfile() and (content := tar.extractfile(member)):
                file = RecordedFile(content.read(), member.mode & 0o777)
            elif member.isdir():
                continue
            else:
                raise tarfile.ExtractError(f"{member.name} is not a file, directory or link")
            top, _, rest = path.partition("/")
            if top == "root":
                recording.root[rest] = file
            elif top == "modules":
                name, _, rest = rest.partition("/")
                recording.modules.setdefault(name, {})[rest] = file
    return recording


def _inside(path: PurePosixPath) -> str:
    """Return a member's path without `.` and `..`; raise ExtractError if it leads outside."""
    if ".." not in path.parts and not path.is_absolute():
        return str(path)
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part in ("..", "/"):
            raise tarfile.ExtractError(f"{path} leads outside of the recording")
        else:
            parts.append(part)
    return "/".join(parts)


def write_files(
    folder: Path, content: Mapping[str, RecordedFile], empty: Iterable[str] = ()
) -> None:
    """Write files and symbolic links into a directory, which is created if necessary.

    Args:
        folder: the directory; it must not contain any of the files yet.
        content: the files.
        empty: directories to create even if there is no file in them.
    """
    # Each directory is created only once: a recording has about a thousand files.
    there = str(folder)
    made = {os.path.dirname(f"{there}/{path}") for path in content}
    for path in (there, *sorted(made), *(f"{there}/{path}" for path in empty)):
        os.makedirs(path, exist_ok=True)
    links = []
    for path, file in content.items():
        if file.target:
            links.append((file.target, f"{there}/{path}"))
            continue
        descriptor = os.open(f"{there}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
        with open(descriptor, "wb", buffering=0) as out:
            out.write(file.data)
    # Links come last, so that no file is written through one.
    for target, path in links:
        os.symlink(target, path)
