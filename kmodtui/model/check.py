"""Whether the kernel would take a module file: facts in, findings and a verdict out.

The questions are those of `load_module` in `kernel/module/main.c`, in its order, so
that the first thing found wrong is what the kernel would complain of. Nothing is
loaded for it, and nothing but the kernel itself can verify a signature.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from kmodtui.model.linkage import ModuleSymbols
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.vermagic import VermagicComparison

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
"""What stands for the kernel itself where a giver of symbols is named."""

NOT_KNOWN = "not known"
"""What stands there where it is the kernel or nobody, and that cannot be told."""


class Verdict(StrEnum):
    """The answer."""

    LOADS = "will load"
    REFUSED = "will not load"
    UNKNOWN = "cannot tell"


class Mark(StrEnum):
    """How a finding counts."""

    FINE = "fine"
    NOTE = "note"
    REFUSES = "refuses"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seal:
    """The end of a file as the kernel looks at it before it looks for a key.

    Attributes:
        content: bytes before the signature: what the kernel takes for the module.
        marked: whether the file ends like a signed one.
        fault: why the kernel refuses it as damaged (EBADMSG); empty if it does not.
        supported: whether it is of the kind that kernels since 4.3 know; others count as none.
    """

    content: int
    marked: bool = False
    fault: str = ""
    supported: bool = True


@dataclass(frozen=True)
class FileFacts:
    """What a module file holds, as far as the kernel asks.

    Attributes:
        path: as it was asked for.
        info: its .modinfo, signature and machine; None where the file could not be read so far.
        packing: `xz`, `gzip`, `zstd`, or empty for a plain file.
        bits: 32 or 64.
        little_endian: its byte order.
        seal: its end.
        struct_size: bytes of its `struct module`; None without one.
        symbols: what it takes and gives; None where it was stripped or is damaged.
        damage: why the kernel refuses its form (ENOEXEC), a sentence each.
        not_read: why it was not read to the end though it may be well; empty if it was.
    """

    path: str
    info: ModuleInfo | None = None
    packing: str = ""
    bits: int = 64
    little_endian: bool = True
    seal: Seal = Seal(0)
    struct_size: int | None = None
    symbols: ModuleSymbols | None = None
    damage: tuple[str, ...] = ()
    not_read: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A module that the kernel has taken, or was built with it: what others have to agree with.

    Attributes:
        name: of the module.
        loaded: whether it is loaded, so that it is known to agree.
        vermagic: its version magic.
        machine: of its ELF header.
        bits: 32 or 64.
        little_endian: its byte order.
        struct_size: bytes of its `struct module`.
        layout: its checksum of `module_layout`; None without CONFIG_MODVERSIONS.
        signer: who signed it; empty if nobody did.
        key: with which key; empty if it is not signed.
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
class Offer:
    """Who would give a symbol to the module.

    Attributes:
        module: the module; empty for the kernel itself.
        loaded: whether it is there now.
        gpl_only: None if that cannot be told.
        namespace: that has to be imported; None if that cannot be told.
        crc: the checksum that has to agree; None if that cannot be told.
        source: where the checksum stands, in a few words.
    """

    module: str
    loaded: bool
    gpl_only: bool | None = None
    namespace: str | None = None
    crc: int | None = None
    source: str = ""


@dataclass(frozen=True)
class KernelFacts:
    """What the kernel is like that would have to take the file.

    Attributes:
        release: such as `6.1.0-56-amd64`.
        running: whether it is the kernel that runs here; of another one switches and
            loaded modules are not known.
        reference: a module of this kernel; None if there is none to be read.
        options: of its build configuration, `CONFIG_` left out; None if that is not known.
        lockdown: `none`, `integrity`, `confidentiality`; None if it does not say.
        sig_enforce: whether unsigned modules are refused; None if it does not say.
        modules_disabled: whether nothing can be loaded until it is rebooted.
        has_modules: whether it shows any sign of being able to load modules.
        loaded: modules that are loaded.
        present: whether /sys/module has the module, as loaded or as built in.
        forbidden: whether the kernel's command line refuses the module.
        rules: what modprobe.d says of it, a rule each, with the place.
        offers: by symbol, who would give it.
        knows_all: whether a symbol without an offer is one that nobody gives.
        duplicates: of the symbols that the module exports, those that are there already,
            with who exports them.
        packings: kinds of compression that this system's own modules have.
        signature_fits: whether the file's signature was made over what it holds, with a key
            that the kernel brings; None where that cannot be told.
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
    forbidden: bool = False
    rules: tuple[str, ...] = ()
    offers: Mapping[str, Offer] = field(default_factory=dict)
    knows_all: bool = True
    duplicates: Mapping[str, str] = field(default_factory=dict)
    packings: Collection[str] = ("",)
    signature_fits: bool | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer to one question.

    Attributes:
        topic: a word for what was asked: `vermagic`, `symbols`.
        mark: how it counts.
        text: a sentence.
        errno: what the kernel would answer, such as `ENOEXEC`; empty unless it refuses.
        remedy: what can be done; empty if nothing has to be or can be.
        lines: what it is about, such as symbols, one each.
    """

    topic: str
    mark: Mark
    text: str
    errno: str = ""
    remedy: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedSymbol:
    """A symbol that the module takes, as it was judged.

    Attributes:
        name: the symbol.
        giver: `kernel`, the name of a module, `not known`, or empty for nobody.
        mark: how it counts.
        words: what is wrong with it; empty if nothing is.
        weak: whether the module can do without it.
    """

    name: str
    giver: str
    mark: Mark
    words: str = ""
    weak: bool = False


@dataclass(frozen=True)
class Check:
    """What was found, and the verdict.

    Attributes:
        path: the file.
        name: the name that the kernel would give the module.
        release: of the kernel that was asked about.
        findings: in the order in which the kernel asks.
        symbols: that it takes, sorted by name.
        vermagic: the two version magics; None where one of them is not known.
        first: modules that have to be loaded before it, which are not.
    """

    path: str
    name: str
    release: str
    findings: tuple[Finding, ...]
    symbols: tuple[CheckedSymbol, ...] = ()
    vermagic: VermagicComparison | None = None
    first: tuple[str, ...] = ()

    @cached_property
    def givers(self) -> dict[str, tuple[CheckedSymbol, ...]]:
        """What it takes by giver: `kernel`, then modules, sorted, then none."""
        found: dict[str, list[CheckedSymbol]] = {}
        for symbol in self.symbols:
            found.setdefault(symbol.giver, []).append(symbol)
        order = sorted(found, key=lambda g: (g in ("", NOT_KNOWN), g != KERNEL, g))
        return {giver: tuple(found[giver]) for giver in order}

    @property
    def verdict(self) -> Verdict:
        """The answer: refused if one finding refuses, else not known if one is not known."""
        marks = {finding.mark for finding in self.findings}
        if Mark.REFUSES in marks:
            return Verdict.REFUSED
        return Verdict.UNKNOWN if Mark.UNKNOWN in marks else Verdict.LOADS

    @property
    def because(self) -> tuple[Finding, ...]:
        """The findings that make the verdict; empty where it will load."""
        wanted = {Verdict.REFUSED: Mark.REFUSES, Verdict.UNKNOWN: Mark.UNKNOWN}.get(self.verdict)
        return tuple(finding for finding in self.findings if finding.mark is wanted)

    @property
    def errno(self) -> str:
        """What the kernel would answer first, such as `ENOEXEC`; empty if it would load."""
        return next((finding.errno for finding in self.because if finding.errno), "")

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, with the first reason for it."""
        if self.verdict is Verdict.LOADS:
            if not self.first:
                return "It will load."
            *most, last = self.first
            names = f"{', '.join(most)} and {last}" if most else last
            return f"It will load once {names} {'are' if most else 'is'} loaded."
        said = "It will not load" if self.verdict is Verdict.REFUSED else "It cannot be told"
        return f"{said}: {self.because[0].text}"
