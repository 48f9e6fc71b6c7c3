"""A kernel module's description of itself: its .modinfo strings and its signature.

The raw bytes of the file are kept, because kmod's `modinfo` prints them unchanged.
Whatever is shown on the screen is made safe when it is read from here.
Layout: `tools/modinfo.c` and `kmod_module_get_info` in kmod.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kmodtui.model.text import clean, decode

BUILTIN = "(builtin)"
"""Takes the place of the file name for a module that is built into the kernel."""

LOADED = "(loaded, no file found)"
"""The same for a loaded module whose file is not found: the kernel itself shows less."""

_HEX_PER_LINE = 20
_LABEL_WIDTH = 15


@dataclass(frozen=True, slots=True)
class Field:
    """One `key=value` string of .modinfo.

    Attributes:
        raw_key: the bytes before the first `=`.
        raw: the bytes after it; empty if there is no `=`.
    """

    raw_key: bytes
    raw: bytes

    @property
    def key(self) -> str:
        """The key, safe to show."""
        return clean(decode(self.raw_key))

    @property
    def value(self) -> str:
        """The value, safe to show."""
        return clean(decode(self.raw))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a module, from its `parm` and `parmtype` strings.

    Attributes:
        name: its name, as passed to modprobe.
        type: such as `int`, `charp`, `array of int`; empty if unknown.
        description: MODULE_PARM_DESC; empty if there is none.
    """

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature at the end of a module file, parsed but not verified.

    Attributes:
        id_type: `PKCS#7`, `X509` or `PGP`.
        signer: common name of the key's issuer, as in the signature.
        key_id: serial number of the key, or its identifier in old formats.
        hash_algorithm: such as `sha256`; `unknown` if it cannot be parsed.
        value: the signature itself; empty if it cannot be parsed.
        attributes: whether the signature covers signed attributes instead of the content.
    """

    id_type: str
    signer: bytes = b""
    key_id: bytes = b""
    hash_algorithm: str = "unknown"
    value: bytes = b""
    attributes: bool = False

    @property
    def readable(self) -> bool:
        """Whether the signature could be parsed."""
        return bool(self.value)

    @property
    def signer_name(self) -> str:
        """The signer, safe to show."""
        return clean(decode(self.signer))


@dataclass(frozen=True)
class ModuleInfo:
    """The metadata of a module file or of a built-in module.

    Attributes:
        name: derived from the file name as kmod does, with `_`.
        filename: path of the file as requested, `(builtin)`, or `LOADED`. Bytes that are
            not UTF-8 are surrogates, as in any Python path.
        modinfo: the NUL-separated strings of section .modinfo, unchanged.
        signature: None if the file is not signed.
        machine: machine of the ELF header, such as `x86_64` or `aarch64`; empty for a
            built-in module.
        build_id: the linker's build id, in hexadecimal; empty if there is none.
        own_name: the name that the kernel gives the module when the file is inserted; empty
            if the file does not have it.
    """

    name: str
    filename: str
    modinfo: bytes
    signature: Signature | None = None
    machine: str = ""
    build_id: str = ""
    own_name: str = ""

    @property
    def module_name(self) -> str:
        """The name in /proc/modules of what the file contains, however the file is named."""
        return self.own_name or self.name

    @property
    def builtin(self) -> bool:
        """Whether the module is built into the kernel."""
        return self.filename == BUILTIN

    @property
    def has_file(self) -> bool:
        """Whether it is from a module file."""
        return self.filename not in (BUILTIN, LOADED)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """All strings of .modinfo, including `parm` and `parmtype`, in order."""
        strings = (string.partition(b"=") for string in self.modinfo.split(b"\0") if string)
        return tuple(Field(key, value) for key, _, value in strings)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, each once, in the order that modinfo prints them."""
        return tuple(
            Parameter(clean(decode(name)), clean(decode(kind or b"")), clean(decode(text or b"")))
            for name, text, kind in parameter_strings(self.fields)
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """Return all values of `key`, safe to show, in order."""
        wanted = key.encode()
        return tuple(field.value for field in self.fields if field.raw_key == wanted)

    def text(self, key: str) -> str:
        """Return the first value of `key`, the one that the kernel uses; empty if none."""
        wanted = key.encode()
        return next((field.value for field in self.fields if field.raw_key == wanted), "")

    @property
    def description(self) -> str:
        """MODULE_DESCRIPTION."""
        return self.text("description")

    @property
    def license(self) -> str:
        """MODULE_LICENSE, which decides about GPL-only symbols and taint P."""
        return self.text("license")

    @property
    def version(self) -> str:
        """MODULE_VERSION; most modules have none."""
        return self.text("version")

    @property
    def srcversion(self) -> str:
        """A checksum of the source files."""
        return self.text("srcversion")

    @property
    def vermagic(self) -> str:
        """The version magic: the release it was built for, and the options that must match."""
        return self.text("vermagic").strip()

    @property
    def authors(self) -> tuple[str, ...]:
        """MODULE_AUTHOR of each author."""
        return self.texts("author")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Alternative names and hardware patterns (modaliases)."""
        return self.texts("alias")

    @property
    def firmware(self) -> tuple[str, ...]:
        """Firmware files that it may request."""
        return self.texts("firmware")

    @property
    def depends(self) -> tuple[str, ...]:
        """Modules whose symbols it imports, with `_`."""
        return tuple(name.replace("-", "_") for name in self.text("depends").split(",") if name)

    @property
    def softdeps(self) -> tuple[str, ...]:
        """Soft dependencies that it declares, such as `pre: crc32c`."""
        return self.texts("softdep")

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Symbol namespaces that it imports."""
        return self.texts("import_ns")

    @property
    def intree(self) -> bool:
        """Whether it was built from the kernel's own source tree."""
        return self.builtin or self.text("intree") == "Y"


def modinfo_lines(info: ModuleInfo, root: str = "") -> list[bytes]:
    """Return the lines that kmod's `modinfo` prints, byte for byte, without line ends.

    Args:
        info: the module.
        root: a directory to put before the file name, as `modinfo --basedir` does.
    """
    lines = []
    for key, values in _rows(info, root):
        # modinfo passes 15 - len(key) to printf as a field width: if negative, its absolute
        # value counts.
        padding = b" " * abs(_LABEL_WIDTH - len(key))
        lines.append(key + b":" + padding + values[0])
        lines.extend(b"\t\t" + value for value in values[1:])
    return lines


def modinfo_text(info: ModuleInfo, root: str = "") -> list[str]:
    r"""Return the same lines for a terminal, with control characters written as `\x1b`."""
    lines = []
    for key, values in _rows(info, root):
        padding = " " * abs(_LABEL_WIDTH - len(key))
        texts = [clean(decode(value)) for value in values]
        lines.append(f"{clean(decode(key))}:{padding}{texts[0]}")
        lines.extend(f"\t\t{text}" for text in texts[1:])
    return lines


def _rows(info: ModuleInfo, root: str) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield the label and the value of each row; a value has one or more lines."""
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
    """Return `01:AB:…` in lines of 20 bytes; every line but the last ends with a colon."""
    text = data.hex(":").upper().encode()
    width = 3 * _HEX_PER_LINE
    return [text[start : start + width] for start in range(0, len(text), width)] or [b""]


def parameter_strings(fields: tuple[Field, ...]) -> list[tuple[bytes, bytes | None, bytes | None]]:
    """Return name, description and type of each parameter, as raw bytes, in modinfo's order.

    modinfo inserts each new name before those it already has, so its order is the
    reverse of first appearance. Strings without a `:` are skipped.
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
