"""What a kernel module says of itself: its .modinfo strings and its signature.

The bytes are kept as they stand in the file, because `modinfo` of kmod prints
them so; everything that is meant for a screen is made safe on the way out.
Source of the layout: `tools/modinfo.c` and `kmod_module_get_info` in kmod.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kmodtui.model.text import clean, decode

BUILTIN = "(builtin)"
"""What stands in place of a file name for a module that is compiled into the kernel."""

_HEX_PER_LINE = 20
_LABEL_WIDTH = 15


@dataclass(frozen=True, slots=True)
class Field:
    """One `key=value` string of .modinfo.

    Attributes:
        raw_key: the bytes before the first `=`.
        raw: the bytes after it; empty where there is no `=`.
    """

    raw_key: bytes
    raw: bytes

    @property
    def key(self) -> str:
        """The key, safe for a screen."""
        return clean(decode(self.raw_key))

    @property
    def value(self) -> str:
        """The value, safe for a screen."""
        return clean(decode(self.raw))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a module takes, as `parm` and `parmtype` tell it.

    Attributes:
        name: as it is given to modprobe.
        type: such as `int`, `charp`, `array of int`; empty if not told.
        description: empty if not told.
    """

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature at the end of a module file, read and not verified.

    Attributes:
        id_type: `PKCS#7`, `X509` or `PGP`.
        signer: common name of the key's issuer, as it stands in the signature.
        key_id: serial number of the key, or its identifier in old formats.
        hash_algorithm: such as `sha256`; `unknown` where it cannot be read.
        value: the signature itself; empty where it cannot be read.
        attributes: whether attributes are signed in place of the contents.
    """

    id_type: str
    signer: bytes = b""
    key_id: bytes = b""
    hash_algorithm: str = "unknown"
    value: bytes = b""
    attributes: bool = False

    @property
    def readable(self) -> bool:
        """Whether the signature has the form that it claims; damaged ones have not."""
        return bool(self.value)

    @property
    def signer_name(self) -> str:
        """The signer, safe for a screen."""
        return clean(decode(self.signer))


@dataclass(frozen=True)
class ModuleInfo:
    """A module file's, or a built-in module's, description of itself.

    Attributes:
        name: after the file's name, with `_`, as kmod derives it.
        filename: path of the file as it was asked for, or `(builtin)`. Bytes that are
            no UTF-8 stand as surrogates, as in every path of Python.
        modinfo: the NUL-separated strings, as they stand in the file.
        signature: None where the file ends without one.
        machine: of the ELF header, such as `x86_64` or `aarch64`; empty for built-ins.
        build_id: the linker's note, in hexadecimal; empty where there is none.
    """

    name: str
    filename: str
    modinfo: bytes
    signature: Signature | None = None
    machine: str = ""
    build_id: str = ""

    @property
    def builtin(self) -> bool:
        """Whether the module is compiled into the kernel."""
        return self.filename == BUILTIN

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The strings of .modinfo in their order, `parm` and `parmtype` among them."""
        strings = (string.partition(b"=") for string in self.modinfo.split(b"\0") if string)
        return tuple(Field(key, value) for key, _, value in strings)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, each once, in the order of modinfo."""
        return tuple(
            Parameter(clean(decode(name)), clean(decode(kind or b"")), clean(decode(text or b"")))
            for name, text, kind in parameter_strings(self.fields)
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """Return every value of `key`, safe for a screen, in order."""
        wanted = key.encode()
        return tuple(field.value for field in self.fields if field.raw_key == wanted)

    def text(self, key: str) -> str:
        """Return the first value of `key`, the one that the kernel looks at; empty if none."""
        wanted = key.encode()
        return next((field.value for field in self.fields if field.raw_key == wanted), "")

    @property
    def description(self) -> str:
        """What the module is, in its author's words."""
        return self.text("description")

    @property
    def license(self) -> str:
        """The licence that decides about GPL-only symbols and the taint P."""
        return self.text("license")

    @property
    def version(self) -> str:
        """The author's version; most modules have none."""
        return self.text("version")

    @property
    def srcversion(self) -> str:
        """A checksum of the source files."""
        return self.text("srcversion")

    @property
    def vermagic(self) -> str:
        """The kernel that it was built for: release and options that must agree."""
        return self.text("vermagic").strip()

    @property
    def authors(self) -> tuple[str, ...]:
        """Everyone who is named as an author."""
        return self.texts("author")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names and hardware patterns by which the module can be asked for."""
        return self.texts("alias")

    @property
    def firmware(self) -> tuple[str, ...]:
        """Firmware files that it may ask for."""
        return self.texts("firmware")

    @property
    def depends(self) -> tuple[str, ...]:
        """Modules whose symbols it uses, with `_`."""
        return tuple(name.replace("-", "_") for name in self.text("depends").split(",") if name)

    @property
    def softdeps(self) -> tuple[str, ...]:
        """Soft dependencies as the module states them, such as `pre: crc32c`."""
        return self.texts("softdep")

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Symbol namespaces that it imports."""
        return self.texts("import_ns")

    @property
    def intree(self) -> bool:
        """Whether it was built from the kernel's own sources."""
        return self.builtin or self.text("intree") == "Y"


def modinfo_lines(info: ModuleInfo, root: str = "") -> list[bytes]:
    """Return the lines that kmod's `modinfo` prints, byte for byte, without line ends.

    Args:
        info: the module.
        root: a folder to put before the file name, as `modinfo --basedir` does.
    """
    lines = []
    for key, values in _rows(info, root):
        # A negative width of printf counts as its absolute value, to the left.
        padding = b" " * abs(_LABEL_WIDTH - len(key))
        lines.append(key + b":" + padding + values[0])
        lines.extend(b"\t\t" + value for value in values[1:])
    return lines


def modinfo_text(info: ModuleInfo, root: str = "") -> list[str]:
    r"""Return the same lines for a terminal: what it could obey is written out as `\x1b`."""
    lines = []
    for key, values in _rows(info, root):
        padding = " " * abs(_LABEL_WIDTH - len(key))
        texts = [clean(decode(value)) for value in values]
        lines.append(f"{clean(decode(key))}:{padding}{texts[0]}")
        lines.extend(f"\t\t{text}" for text in texts[1:])
    return lines


def _rows(info: ModuleInfo, root: str) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield label and value of each row; a value has one or more lines."""
    if info.builtin:
        yield b"name", [os.fsencode(info.name)]
        yield b"filename", [BUILTIN.encode()]
    else:
        yield b"filename", [os.fsencode(root.rstrip("/") + info.filename)]
    for field in info.fields:
        if field.raw_key not in (b"parm", b"parmtype"):
            yield field.raw_key, [field.raw]
    if signature := info.signature:
        yield b"sig_id", [signature.id_type.encode()]
        yield b"signer", [signature.signer]
        yield b"sig_key", _hex(signature.key_id)
        yield b"sig_hashalgo", [signature.hash_algorithm.encode()]
        yield b"signature", _hex(signature.value)
    for name, text, kind in parameter_strings(info.fields):
        if text is None:
            yield b"parm", [name + b":" + (kind or b"")]
        elif kind is None:
            yield b"parm", [name + b":" + text]
        else:
            yield b"parm", [name + b":" + text + b" (" + kind + b")"]


def _hex(data: bytes) -> list[bytes]:
    """Return `01:AB:…` in lines of 20 bytes, a colon at the end of all but the last."""
    text = data.hex(":").upper().encode()
    width = 3 * _HEX_PER_LINE
    return [text[start : start + width] for start in range(0, len(text), width)] or [b""]


def parameter_strings(fields: tuple[Field, ...]) -> list[tuple[bytes, bytes | None, bytes | None]]:
    """Return name, description and type of each parameter, in modinfo's order, as they stand.

    modinfo puts each new name before those that it has, so the order is that of
    first appearance, backwards. A string without `:` is none.
    """
    found: dict[bytes, tuple[bytes | None, bytes | None]] = {}
    for field in fields:
        if field.raw_key not in (b"parm", b"parmtype"):
            continue
        name, colon, rest = field.raw.partition(b":")
        if not colon:
            continue
        text, kind = found.get(name, (None, None))
        found[name] = (rest, kind) if field.raw_key == b"parm" else (text, rest)
    return [(name, text, kind) for name, (text, kind) in reversed(found.items())]
