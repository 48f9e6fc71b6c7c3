"""What a module takes, symbol by symbol: who gives it, and whether it may have it.

After `simplify_symbols`, `resolve_symbol`, `check_version` and
`verify_namespace_is_imported` in `kernel/module`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from kmodtui.model.check import (
    GPL_LICENSES,
    KERNEL,
    NOT_KNOWN,
    CheckedSymbol,
    FileFacts,
    Finding,
    KernelFacts,
    Mark,
    Offer,
)
from kmodtui.model.linkage import Import
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.text import counted
from kmodtui.model.vermagic import compares_checksums

_FOR_MODULES = "module:"
"""What the namespace of EXPORT_SYMBOL_FOR_MODULES begins with; names and patterns follow."""

_NAMED = 2
"""Symbols that a sentence names; of more it tells their number."""


class CheckedSymbols(NamedTuple):
    """All of them.

    Attributes:
        symbols: in the file's order.
        findings: about them together.
        first: modules that give some of them and are not loaded.
    """

    symbols: tuple[CheckedSymbol, ...] = ()
    findings: tuple[Finding, ...] = ()
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """What can be wrong with a symbol, and what is told where some have it.

    Attributes:
        topic: of the finding.
        mark: how it counts.
        errno: what the kernel answers.
        text: a sentence; `{}` is which they are, or how many.
        remedy: what can be done.
    """

    topic: str
    mark: Mark
    errno: str
    text: str
    remedy: str = ""


_NOBODY = _Case(
    "symbols",
    Mark.REFUSES,
    "ENOENT",
    "Nobody exports {}.",
    "It was built for another kernel, or needs a module that is not installed.",
)
_GPL_ONLY = _Case(
    "licence",
    Mark.REFUSES,
    "ENOENT",
    "Without a GPL-compatible licence it does not get {}.",
    "Only a module under a GPL-compatible licence may use them.",
)
_CHECKSUM = _Case(
    "checksums",
    Mark.REFUSES,
    "EINVAL",
    "It was built against another version of {}: the checksums differ.",
    "Build it for this kernel, against its headers.",
)
_NAMESPACE = _Case(
    "namespaces",
    Mark.REFUSES,
    "EINVAL",
    "It does not import the namespace of {}.",
    "Its source needs MODULE_IMPORT_NS().",
)
_NAMESPACE_ALLOWED = _Case(
    "namespaces",
    Mark.NOTE,
    "",
    "It does not import the namespace of {}; this kernel only warns.",
)
_NOT_KNOWN = _Case(
    "symbols",
    Mark.UNKNOWN,
    "",
    "Whether anybody exports {} is not known: this kernel does not show it.",
)
_NOT_COMPARED = _Case(
    "checksums",
    Mark.NOTE,
    "",
    "There is nothing to compare the checksum of {} with.",
)
_DOUBTFUL = _Case(
    "checksums",
    Mark.UNKNOWN,
    "",
    "There is nothing to compare the checksum of {} with, nor a sign that the builds agree.",
    "Module.symvers of this kernel would tell: install its headers.",
)
_CASES = (
    _NOBODY,
    _GPL_ONLY,
    _CHECKSUM,
    _NAMESPACE,
    _NAMESPACE_ALLOWED,
    _NOT_KNOWN,
    _NOT_COMPARED,
    _DOUBTFUL,
)


def check_symbols(file: FileFacts, info: ModuleInfo, kernel: KernelFacts) -> CheckedSymbols:
    """Return every symbol that a module takes, judged, and what is to be said of them."""
    if file.symbols is None:
        return CheckedSymbols()
    symbols: list[CheckedSymbol] = []
    found: dict[_Case, dict[str, str]] = {}
    first: dict[str, None] = {}
    for wanted in file.symbols.imports:
        offer = kernel.offers.get(wanted.name)
        case, words = _judge(wanted, offer, file, info, kernel)
        if case is not None:
            found.setdefault(case, {})[wanted.name] = words
        if offer is not None and not offer.loaded and not wanted.weak:
            first[offer.module] = None
        giver = "" if kernel.knows_all else NOT_KNOWN
        if offer is not None:
            giver = offer.module or KERNEL
        mark = case.mark if case else Mark.FINE
        symbols.append(CheckedSymbol(wanted.name, giver, mark, words, wanted.weak))
    findings = [_finding(case, found[case]) for case in _CASES if case in found]
    if not any(finding.topic == "symbols" or finding.mark is Mark.REFUSES for finding in findings):
        findings.insert(0, _summary(symbols, tuple(first)))
    return CheckedSymbols(tuple(symbols), tuple(findings), tuple(first))


def _judge(
    wanted: Import, offer: Offer | None, file: FileFacts, info: ModuleInfo, kernel: KernelFacts
) -> tuple[_Case | None, str]:
    """Return what is wrong with a symbol, and that in a few words."""
    if offer is None:
        if wanted.weak:
            return None, ""
        return (_NOBODY if kernel.knows_all else _NOT_KNOWN), ""
    giver = offer.module or "the kernel"
    if offer.gpl_only and info.license not in GPL_LICENSES:
        # The kernel looks for it as if it were not there.
        return (None, "GPL only") if wanted.weak else (_GPL_ONLY, f"GPL only, from {giver}")
    if wanted.crc is not None and offer.crc is not None and wanted.crc != offer.crc:
        theirs = f"0x{offer.crc:08x} in {offer.source}"
        return _CHECKSUM, f"0x{wanted.crc:08x}, but {theirs}"
    if offer.namespace and not _imports(info, offer.namespace):
        allowed = (kernel.options or {}).get("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS") == "y"
        words = f"namespace {offer.namespace}, from {giver}"
        return (_NAMESPACE_ALLOWED if allowed else _NAMESPACE), words
    if wanted.crc is not None and offer.crc is None:
        return (_NOT_COMPARED if _same_build(file, kernel) else _DOUBTFUL), ""
    return None, ""


def _imports(info: ModuleInfo, namespace: str) -> bool:
    if namespace.startswith(_FOR_MODULES):
        allowed = namespace.removeprefix(_FOR_MODULES).split(",")
        name = info.text("name") or info.name
        return any(fnmatchcase(name, pattern.replace("-", "_")) for pattern in allowed)
    return namespace in info.namespaces


def _same_build(file: FileFacts, kernel: KernelFacts) -> bool:
    """Return whether the structures of the kernel are those that the module was built for."""
    reference = kernel.reference
    if reference is None or file.symbols is None:
        return False
    if not compares_checksums(reference.vermagic):
        return True
    layout = file.symbols.versions.get("module_layout")
    return layout is not None and layout == reference.layout


def _finding(case: _Case, symbols: Mapping[str, str]) -> Finding:
    lines = (f"{name}: {words}" if words else name for name, words in symbols.items())
    which = f"{len(symbols):,} of the symbols it takes"
    if len(symbols) <= _NAMED:
        which = " and ".join(symbols)
    return Finding(
        case.topic, case.mark, case.text.format(which), case.errno, case.remedy, tuple(lines)
    )


def _summary(symbols: Sequence[CheckedSymbol], first: tuple[str, ...]) -> Finding:
    if not symbols:
        return Finding("symbols", Mark.FINE, "It takes no symbol from anybody.")
    total = counted(len(symbols), "symbol")
    if first:
        text = f"It takes {total}, some from modules that are not loaded: {', '.join(first)}."
        remedy = "modprobe loads them first, if it finds the module in the index; insmod does not."
        return Finding("symbols", Mark.NOTE, text, remedy=remedy)
    return Finding("symbols", Mark.FINE, f"It takes {total}, and there is a giver for each.")
