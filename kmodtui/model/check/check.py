"""Would the kernel load a module file? Facts about both go in, findings and a verdict come out.

The checks are those of `load_module` in `kernel/module/main.c`, in its order, so
that the first failing one is the error that the kernel would report. Nothing is
loaded to find out, and only the kernel itself can verify a signature.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from kmodtui.model.check.vermagic import VermagicComparison
from kmodtui.model.linkage import ModuleSymbols
from kmodtui.model.module_info import ModuleInfo

GPL_LICENSES = (
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
)
"""Licences that may use GPL-only symbols: `license_is_gpl_compatible` in `linux/license.h`."""


KERNEL = "kernel"
"""Provider of the symbols that the kernel itself exports."""

UNKNOWN = "unknown"
"""Provider of a symbol where it is unknown whether the kernel itself exports it."""


class Verdict(StrEnum):
    """The result of a check."""

    LOADS = "will load"
    REFUSED = "will not load"
    UNKNOWN = "unknown"


class Mark(StrEnum):
    """What a finding means for the verdict."""

    FINE = "fine"
    NOTE = "note"
    REFUSES = "refuses"
    UNKNOWN = "unknown"


class BtfFit(StrEnum):
    """How a module's type information (BTF) fits a kernel."""

    SAME_BUILD = "same build"
    """Every reference leads to a type or a name."""
    OTHER_BUILD = "other build"
    """Names begin in the middle of others; the kernel may not notice."""
    REFUSED = "refused"
    """A type or a name does not exist: the kernel refuses it."""


@dataclass(frozen=True, slots=True)
class SignatureBlock:
    """The signature block at the end of a file, as the kernel parses it before it looks for a key.

    Attributes:
        content: number of bytes before the signature: the module itself.
        marked: whether the file ends with the marker `~Module signature appended~`.
        fault: why the kernel rejects the signature block as malformed (EBADMSG); empty if
            it is well-formed.
        supported: whether it is PKCS#7; kernels since 4.3 treat any other type as unsigned.
    """

    content: int
    marked: bool = False
    fault: str = ""
    supported: bool = True


@dataclass(frozen=True)
class FileFacts:
    """What the kernel checks of a module file.

    Attributes:
        path: as given by the user.
        info: its .modinfo, signature and machine; None if they could not be read.
        packing: `xz`, `gzip`, `zstd`, or empty for an uncompressed file.
        bits: 32 or 64.
        little_endian: its byte order.
        seal: its signature block.
        struct_size: size of its `struct module` in bytes; None if it has none.
        symbols: its imports and exports; None if its symbol table is stripped or damaged.
        damage: why the kernel rejects its ELF structure (ENOEXEC), a sentence each.
        not_read: why it could not be read completely although it may be valid; else empty.
        basic_versions: whether it has a section `__versions`: only then may its release differ
            from the kernel's. The extended sections do not count.
        btf: size of its type information (.BTF) in bytes; None if it has none.
        xz_check: the checksum of an xz file, such as `CRC64`; empty for any other.
        xz_filter: a filter of an xz file that no kernel has, such as `delta`; usually empty.
    """

    path: str
    info: ModuleInfo | None = None
    packing: str = ""
    bits: int = 64
    little_endian: bool = True
    seal: SignatureBlock = SignatureBlock(0)
    struct_size: int | None = None
    symbols: ModuleSymbols | None = None
    damage: tuple[str, ...] = ()
    not_read: str = ""
    basic_versions: bool = True
    btf: int | None = None
    xz_check: str = ""
    xz_filter: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A module known to fit the kernel, loaded or built with it: others are compared with it.

    Attributes:
        name: module name.
        loaded: whether it is loaded, which proves that it fits.
        vermagic: its version magic.
        machine: machine of its ELF header.
        bits: 32 or 64.
        little_endian: its byte order.
        struct_size: size of its `struct module` in bytes.
        layout: its checksum of `module_layout`; None without CONFIG_MODVERSIONS.
        signer: who signed it; empty if it is not signed.
        key: id of the signing key; empty if it is not signed.
    """

    name: str
    loaded: bool
    vermagic: str
    machine: str
    bits: int
    little_endian: bool
    struct_size: int | None = None
    layout: int | None = None
    signer: str = ""
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An export that would resolve a symbol of the module.

    Attributes:
        module: the provider; empty for the kernel itself.
        loaded: whether the provider is loaded now.
        gpl_only: whether only GPL-compatible modules may use it; None if unknown.
        namespace: the symbol namespace that has to be imported; None if unknown.
        crc: the checksum that has to match; None if unknown.
        source: where the checksum was found, in a few words.
    """

    module: str
    loaded: bool
    gpl_only: bool | None = None
    namespace: str | None = None
    crc: int | None = None
    source: str = ""


@dataclass(frozen=True)
class KernelFacts:
    """The kernel that the file is checked against.

    Attributes:
        release: such as `6.1.0-18-amd64`.
        running: whether it is the running kernel; the switches and loaded modules of any
            other kernel are unknown.
        reference: a module that fits this kernel; None if none could be read.
        options: its build configuration, without the prefix `CONFIG_`; None if unknown.
        lockdown: `none`, `integrity`, `confidentiality`; None if unknown.
        sig_enforce: whether unsigned modules are refused; None if unknown.
        modules_disabled: whether no module can be loaded or unloaded until the next boot.
        has_modules: whether /proc/modules or anything else shows support for modules.
        loaded: names of the loaded modules.
        present: whether /sys/module has an entry of that name, for a loaded or built-in module.
        blocked: whether the module is listed in `module_blacklist=` on the kernel command line.
        rules: the rules of modprobe.d for the module, each with file and line.
        candidates: the export that would resolve a symbol, by symbol.
        knows_all: whether `offers` is complete, so that a symbol without one is unresolved.
        duplicates: the module's exports that are exported already, with the module that
            exports them.
        packings: the compression formats of this system's own modules.
        unpacks: the compression that the kernel itself decompresses (/sys/module/compression);
            empty for none, None if unknown.
        signature_fits: whether the signature matches the content and a key built into the
            kernel; None if unknown.
        btf: how its type information fits this kernel's; None if it was not compared.
    """

    release: str = ""
    running: bool = True
    reference: Reference | None = None
    options: Mapping[str, str] | None = None
    lockdown: str | None = None
    sig_enforce: bool | None = None
    modules_disabled: bool = False
    has_modules: bool = True
    loaded: Collection[str] = ()
    present: bool = False
    blocked: bool = False
    rules: tuple[str, ...] = ()
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    knows_all: bool = True
    duplicates: Mapping[str, str] = field(default_factory=dict)
    packings: Collection[str] = ("",)
    unpacks: str | None = None
    signature_fits: bool | None = None
    btf: BtfFit | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one of the kernel's checks.

    Attributes:
        topic: what was checked, in a word: `vermagic`, `symbols`.
        mark: what it means for the verdict.
        text: the result in a sentence.
        errno: the kernel's error, such as `ENOEXEC`; empty unless it would refuse the module.
        remedy: what to do about it; empty if there is nothing to do.
        lines: details, such as the symbols concerned, one each.
    """

    topic: str
    mark: Mark
    text: str
    errno: str = ""
    remedy: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedSymbol:
    """A symbol that the module imports, with the result of checking it.

    Attributes:
        name: symbol name.
        provider: its provider: `kernel`, a module name, `unknown`, or empty if unresolved.
        mark: what it means for the verdict.
        words: what is wrong with it; empty if nothing is.
        weak: whether the module loads without it.
    """

    name: str
    provider: str
    mark: Mark
    words: str = ""
    weak: bool = False


@dataclass(frozen=True)
class Check:
    """The findings of a check, and the verdict.

    Attributes:
        path: the file.
        name: the name that the module would have in the kernel.
        release: release of the kernel that it was checked against.
        findings: in the order of the kernel's checks.
        symbols: its imports, sorted by name.
        vermagic: both version magics compared; None if one of them is unknown.
        first: modules that have to be loaded before it and are not loaded.
    """

    path: str
    name: str
    release: str
    findings: tuple[Finding, ...]
    symbols: tuple[CheckedSymbol, ...] = ()
    vermagic: VermagicComparison | None = None
    first: tuple[str, ...] = ()

    @cached_property
    def providers(self) -> dict[str, tuple[CheckedSymbol, ...]]:
        """Its imports by provider: `kernel`, then modules by name, then unknown and unresolved."""
        found: dict[str, list[CheckedSymbol]] = {}
        for symbol in self.symbols:
            found.setdefault(symbol.provider, []).append(symbol)
        order = sorted(found, key=lambda g: (g in ("", UNKNOWN), g != KERNEL, g))
        return {giver: tuple(found[giver]) for giver in order}

    @property
    def verdict(self) -> Verdict:
        """Refused if any finding refuses; otherwise unknown if any finding is unknown."""
        marks = {finding.mark for finding in self.findings}
        if Mark.REFUSES in marks:
            return Verdict.REFUSED
        return Verdict.UNKNOWN if Mark.UNKNOWN in marks else Verdict.LOADS

    @property
    def because(self) -> tuple[Finding, ...]:
        """The findings that decide the verdict; empty if the module will load."""
        wanted = {Verdict.REFUSED: Mark.REFUSES, Verdict.UNKNOWN: Mark.UNKNOWN}.get(self.verdict)
        return tuple(finding for finding in self.findings if finding.mark is wanted)

    @property
    def errno(self) -> str:
        """The first error that the kernel would return, such as `ENOEXEC`; empty if none."""
        return next((finding.errno for finding in self.because if finding.errno), "")

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, with its first reason."""
        if self.verdict is Verdict.LOADS:
            if not self.first:
                return "It will load."
            *most, last = self.first
            names = f"{', '.join(most)} and {last}" if most else last
            return f"It will load once {names} {'are' if most else 'is'} loaded."
        refused = self.verdict is Verdict.REFUSED
        verdict = "It will not load" if refused else "Whether it will load is unknown"
        return f"{verdict}: {self.because[0].text}"
