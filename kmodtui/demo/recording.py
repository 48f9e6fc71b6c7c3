"""A recording: a machine as it was after boot, and every module that can come and go there.

`recording.tar.xz` beside this file is made by `tests/kernel/record.py` on a
real kernel; that script's docstring tells its format. Its `root/` becomes a
folder, for readers to read; its `modules/` stay in memory until they are loaded.
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
        mode: its permissions.
        target: where it points; empty if it is no link.
    """

    data: bytes = b""
    mode: int = 0o444
    target: str = ""


Files = dict[str, RecordedFile]
"""Files by their path, relative, with `/`."""


@dataclass(frozen=True)
class Recording:
    """A machine and its modules.

    Attributes:
        root: the machine after boot: `proc/modules`, `sys/module/ext4/refcnt`.
        modules: by name, what was recorded of each; see `recorded_module`.
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
            "The recorded system of the demo is not there.",
            f"This installation has no kmodtui/demo/{_NAME}; install kmodtui again.",
        ) from None
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise UnreadableError(
            f"The recorded system of the demo is damaged: {error}.", "Install kmodtui again."
        ) from error


def read_recording(archive: bytes) -> Recording:
    """Return what is in a .tar.xz.

    Raises:
        tarfile.TarError, lzma.LZMAError, EOFError: it is damaged, holds what is no file,
            folder or link, or something that lies or leads outside of it.
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
                raise tarfile.ExtractError(f"{member.name} is no file, folder or link")
            top, _, rest = path.partition("/")
            if top == "root":
                recording.root[rest] = file
            elif top == "modules":
                name, _, rest = rest.partition("/")
                recording.modules.setdefault(name, {})[rest] = file
    return recording


def _inside(path: PurePosixPath) -> str:
    """Return a member's path without `.` and `..`, which must not lead out."""
    if ".." not in path.parts and not path.is_absolute():
        return str(path)
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part in ("..", "/"):
            raise tarfile.ExtractError(f"{path} leads out of the recording")
        else:
            parts.append(part)
    return "/".join(parts)


def write_files(
    folder: Path, content: Mapping[str, RecordedFile], empty: Iterable[str] = ()
) -> None:
    """Write files and links, with their folders, into a folder that need not exist.

    Args:
        folder: where; it holds none of them yet.
        content: what to write.
        empty: folders that are there even if they hold nothing.
    """
    # The system is asked for each folder once: a recording has a thousand files.
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
    # Last, so that nothing is ever written through one.
    for target, path in links:
        os.symlink(target, path)
