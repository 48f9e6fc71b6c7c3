"""The bundle of a bug report: texts in a tar archive, with an index that says what is in it."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import wrap

from kmodtui import __version__
from kmodtui.model.addresses import without_addresses
from kmodtui.model.text import clean, counted, human_size

INDEX = "INDEX.txt"

MAX_PART = 32 * 1024 * 1024
"""Characters of a part that are kept."""

_WIDTH = 90


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle.

    Attributes:
        name: its name.
        words: what it contains, in a few words.
        text: its content.
    """

    name: str
    words: str
    text: str


@dataclass
class Bundle:
    """The files so far, and what could not be read.

    Attributes:
        directory: the directory in the archive.
        wide: whether the kernel has 64 bits.
        addresses: whether kernel addresses are kept.
        parts: the files.
        missing: what could not be read, with the reason.
        removed: the number of addresses that were removed.
    """

    directory: str
    wide: bool = True
    addresses: bool = False
    parts: list[Part] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    removed: int = 0

    def add(self, name: str, words: str, text: str) -> None:
        """Add a file, without addresses unless they were requested."""
        if len(text) > MAX_PART:
            self.miss(name, f"Only its last {human_size(MAX_PART)} are included.")
            text = text[-MAX_PART:]
        if not self.addresses:
            text, removed = without_addresses(text, wide=self.wide)
            self.removed += removed
        self.parts.append(Part(name, words, text))

    def miss(self, name: str, reason: str) -> None:
        """Note what could not be read."""
        self.missing.append((name, clean(reason)))

    def index(self, when: float) -> str:
        """Return the index, for a person."""
        return "\n".join(self._index(when)) + "\n"

    def _index(self, when: float) -> Iterator[str]:
        date = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(when))
        yield f"Bug report of kmodtui {__version__}, {date}"
        yield ""
        yield from wrap(
            "Read these files before you send them: they contain the names of this machine, its "
            "hardware, its modules and its kernel command line.",
            _WIDTH,
        )
        yield ""
        yield "Included"
        width = max((len(part.name) for part in self.parts), default=0)
        for part in self.parts:
            size = human_size(len(part.text.encode()))
            yield f"  {part.name:<{width}}  {size:>10}  {part.words}"
        yield ""
        yield "Not included"
        for name, reason in self.missing:
            yield from wrap(
                f"{name}: {reason}", _WIDTH, initial_indent="  ", subsequent_indent="    "
            )
        yield from wrap(self.address_words, _WIDTH, initial_indent="  ", subsequent_indent="    ")

    @property
    def address_words(self) -> str:
        """What was done with kernel addresses, in a sentence."""
        if self.addresses:
            return "Kernel addresses are included, as requested: they defeat KASLR."
        if not self.removed:
            return "Kernel addresses: there were none to remove."
        return (
            f"Kernel addresses: {counted(self.removed, 'number')} that can be one replaced. "
            "--addresses includes them."
        )

    def archive(self, when: float) -> bytes:
        """Return the archive: a tar file, compressed with gzip."""
        out = io.BytesIO()
        index = Part(INDEX, "", self.index(when))
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for part in (index, *self.parts):
                data = part.text.encode("utf-8", "backslashreplace")
                info = tarfile.TarInfo(f"{self.directory}/{part.name}")
                info.size, info.mtime, info.mode = len(data), int(when), 0o600
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()
