"""Captured trees of systems that store their modules in different ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.elf import make_module

ELF_32_BIG_ENDIAN = {"bits": 32, "order": ">"}


class Link(str):
    """The target of a symbolic link."""


def module(name: str, release: str, *, depends: str = "", alias: str = "", **elf: object) -> bytes:
    """Return a module file as `make_module` makes it."""
    strings = [f"depends={depends}", "license=GPL", f"name={name}", f"vermagic={release} SMP "]
    strings += [f"alias={alias}"] if alias else []
    return make_module([text.encode() for text in strings], **elf)  # type: ignore[arg-type]


def captured(
    folder: Path,
    release: str,
    files: Mapping[str, bytes | str | Link],
    loaded: Sequence[str] | None = (),
) -> str:
    """Write a tree and return its directory.

    Args:
        folder: where.
        release: of the running kernel.
        files: content, or the target of a link, by path; a path with a slash at the end is a
            directory.
        loaded: lines of /proc/modules up to the state; None for no such file.
    """
    rows = {"/proc/sys/kernel/osrelease": f"{release}\n"}
    if loaded is not None:
        rows["/proc/modules"] = "".join(f"{line} Live 0x0\n" for line in loaded)
    for path, content in {**rows, **files}.items():
        file = folder / path[1:]
        if path.endswith("/"):
            file.mkdir(parents=True, exist_ok=True)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            file.symlink_to(content)
        else:
            file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder)


def indexed(
    folder: str, release: str, depends: Mapping[str, Sequence[str]], **more: str
) -> dict[str, bytes | str]:
    """Return the files of a directory with depmod's index, by path.

    Args:
        folder: the directory.
        release: that the modules were built for.
        depends: the paths of the modules, relative to it, with those that they depend on.
        more: content of further index files, such as `builtin`.
    """
    names = {path: path.rpartition("/")[2].partition(".")[0] for path in depends}
    files: dict[str, bytes | str] = {
        f"{folder}/{path}": module(
            names[path].replace("-", "_"), release, depends=",".join(names[d] for d in needed)
        )
        for path, needed in depends.items()
    }
    lines = [f"{path}: {' '.join(needed)}".rstrip() for path, needed in depends.items()]
    for name, content in {
        "dep": "".join(f"{line}\n" for line in lines),
        **dict.fromkeys(("alias", "symbols", "softdep", "builtin"), ""),
        **more,
    }.items():
        files[f"{folder}/modules.{name}"] = content
    return files
