"""Whether a module's imports resolve: provider, licence, namespace and checksum of each symbol.

Mirrors `simplify_symbols`, `resolve_symbol`, `check_version` and
`verify_namespace_is_imported` in `kernel/module`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kmodtui.model.check.check import (
    GPL_LICENSES,
    KERNEL,
    UNKNOWN,
    Candidate,
    CheckedSymbol,
    FileFacts,
    Finding,
    KernelFacts,
    Mark,
)
from kmodtui.model.check.vermagic import compares_checksums
from kmodtui.model.linkage import Import
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.text import counted

FOR_MODULES = "module:"
"""Prefix of the namespace of EXPORT_SYMBOLFOR_MODULES; module names and patterns follow."""

_GLOBAL_OFFSET_TABLE = "_GLOBAL_OFFSET_TABLE_"

_NAMED = 2
"""A sentence names up to so many symbols; of more it gives only the number."""


class CheckedSymbols(NamedTuple):
    """All imports of a module, checked.

    Attributes:
        symbols: in the file's order.
        findings: one for each kind of problem, or a summary if there is none.
        first: modules that provide some of them and are not loaded.
    """

    symbols: tuple[CheckedSymbol, ...] = ()
    findings: tuple[Finding, ...] = ()
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """A kind of problem with symbols, and the finding about all symbols that have it.

    Attributes:
        topic: topic of the finding.
        mark: what it means for the verdict.
        errno: the kernel's error; empty if it does not refuse the module.
        text: a sentence; `{}` stands for the symbols, or their number.
        remedy: what to do about it.
    """

    topic: str
    mark: Mark
    errno: str
    text: str
    remedy: str = ""


_UNRESOLVED = _Case(
    "symbols",
    Mark.REFUSES,
    "ENOENT",
    "Neither the kernel nor any module exports {}.",
    "The module was built for another kernel, or depends on a module that is not installed.",
)
_PIC = _Case(
    "symbols",
    Mark.REFUSES,
    "ENOENT",
    "It was built as position-independent code: it imports {}, which no kernel exports.",
    "Build it with -fno-pic.",
)
_GPL_ONLY = _Case(
    "licence",
    Mark.REFUSES,
    "ENOENT",
    "Its licence is not GPL-compatible, so it may not use {}.",
    "Only modules with a GPL-compatible licence may use GPL-only symbols.",
)
_CHECKSUM = _Case(
    "checksums",
    Mark.REFUSES,
    "EINVAL",
    "It was built against another version of {}: the checksums differ.",
    "Rebuild it against the headers of this kernel.",
)
_NAMESPACE = _Case(
    "namespaces",
    Mark.REFUSES,
    "EINVAL",
    "It does not import the namespace of {}.",
    "Add {} to its source.",
)
_QUOTED = _Case(
    "namespaces",
    Mark.REFUSES,
    "EINVAL",
    "It imports the namespace of {} with quotation marks, as part of the name.",
    "Its source is for Linux 6.13 or later. For this kernel, write {}.",
)
_QUOTED_TWICE = _Case(
    "namespaces",
    Mark.REFUSES,
    "EINVAL",
    "It imports the namespace of {} with quotation marks, as part of the name.",
    "It was built with headers of Linux before 6.13, which add the marks: rebuild it with this "
    "kernel's, and write {}.",
)
_NAMESPACE_ALLOWED = _Case(
    "namespaces",
    Mark.NOTE,
    "",
    "It does not import the namespace of {}; this kernel only logs a warning.",
)
_NOT_KNOWN = _Case(
    "symbols",
    Mark.UNKNOWN,
    "",
    "Whether {} can be resolved is unknown: this kernel does not show its own exports.",
)
_NOT_COMPARED = _Case(
    "checksums",
    Mark.NOTE,
    "",
    "Not compared, because the kernel's checksum is unknown: {}.",
)
_DOUBTFUL = _Case(
    "checksums",
    Mark.UNKNOWN,
    "",
    "Not compared, because the kernel's checksum is unknown: {}. Nothing else shows that the "
    "module was built for this kernel.",
    "Install this kernel's headers: their Module.symvers has the checksums.",
)
_FOR_OTHERS = _Case(
    "namespaces",
    Mark.REFUSES,
    "EINVAL",
    "It is not one of the modules that may use {}.",
    "The kernel exports it for named modules only: no change of the module's source helps.",
)
_CASES = (
    _UNRESOLVED,
    _PIC,
    _GPL_ONLY,
    _CHECKSUM,
    _FOR_OTHERS,
    _QUOTED,
    _QUOTED_TWICE,
    _NAMESPACE,
    _NAMESPACE_ALLOWED,
    _NOT_KNOWN,
    _NOT_COMPARED,
    _DOUBTFUL,
)


def check_symbols(file: FileFacts, info: ModuleInfo, kernel: KernelFacts) -> CheckedSymbols:
    """Return the result for each symbol that a module imports, and the findings about them."""
    if file.symbols is None:
        return CheckedSymbols()
    symbols: list[CheckedSymbol] = []
    found: dict[_Case, dict[str, str]] = {}
    first: dict[str, None] = {}
    for wanted in file.symbols.imports:
        if _resolved_by_loader(wanted.name, info.machine):
            continue
        offer = kernel.candidates.get(wanted.name)
        case, words = _judge(wanted, offer, file, info, kernel)
        if case is not None:
            found.setdefault(case, {})[wanted.name] = words
        if offer is not None and not offer.loaded and not wanted.weak:
            first[offer.module] = None
        provider = "" if kernel.knows_all else UNKNOWN
        if offer is not None:
            provider = offer.module or KERNEL
        mark = case.mark if case else Mark.FINE
        symbols.append(CheckedSymbol(wanted.name, provider, mark, words, wanted.weak))
    findings = [_finding(case, found[case], kernel) for case in _CASES if case in found]
    if not any(finding.topic == "symbols" or finding.mark is Mark.REFUSES for finding in findings):
        findings.insert(0, _summary(symbols, tuple(first)))
    return CheckedSymbols(tuple(symbols), tuple(findings), tuple(first))


def _resolved_by_loader(name: str, machine: str) -> bool:
    """Return whether the kernel itself resolves a symbol that no one exports.

    Sources: `ignore_undef_symbol` in `kernel/module/main.c` since 5.11; `dedotify` in
    `arch/powerpc/kernel/module_64.c`.
    """
    if machine in ("386", "x86_64"):
        return name == _GLOBAL_OFFSET_TABLE
    return machine.startswith("ppc64") and name == ".TOC."


def _judge(
    wanted: Import, offer: Candidate | None, file: FileFacts, info: ModuleInfo, kernel: KernelFacts
) -> tuple[_Case | None, str]:
    """Return what is wrong with a symbol (None if nothing is), and details in a few words."""
    if offer is None:
        if wanted.weak:
            return None, ""
        if wanted.name == _GLOBAL_OFFSET_TABLE:
            return _PIC, ""
        return (_UNRESOLVED if kernel.knows_all else _NOT_KNOWN), ""
    provider = offer.module or "the kernel"
    if offer.gpl_only and info.license not in GPL_LICENSES:
        # `find_symbol` skips GPL-only exports then, so the symbol counts as missing.
        return (None, "GPL only") if wanted.weak else (_GPL_ONLY, f"GPL only, from {provider}")
    if wanted.crc is not None and offer.crc is not None and wanted.crc != offer.crc:
        theirs = f"0x{offer.crc:08x} in {offer.source}"
        return _CHECKSUM, f"0x{wanted.crc:08x}, but {theirs}"
    if offer.namespace and not _imports(info, offer.namespace):
        allowed = (kernel.options or {}).get("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS") == "y"
        words = f"namespace {offer.namespace}, from {provider}"
        if offer.namespace.startswith(FOR_MODULES):
            only = offer.namespace.removeprefix(FOR_MODULES).replace(",", ", ")
            return _FOR_OTHERS, f"only for {only}, from {provider}"
        if f'"{offer.namespace}"' in info.namespaces and not allowed:
            newer = version_of(kernel.release) >= (6, 13)
            return (_QUOTED_TWICE if newer else _QUOTED), words
        return (_NAMESPACE_ALLOWED if allowed else _NAMESPACE), words
    if wanted.crc is not None and offer.crc is None:
        return (_NOT_COMPARED if _same_build(file, kernel) else _DOUBTFUL), ""
    return None, ""


def _imports(info: ModuleInfo, namespace: str) -> bool:
    if namespace.startswith(FOR_MODULES):
        allowed = namespace.removeprefix(FOR_MODULES).replace("-", "_").split(",")
        name = (info.text("name") or info.name).replace("-", "_")
        # Only a `*` at the end is a wildcard: `verify_module_namespace` in `kernel/module/main.c`.
        return any(
            name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
            for pattern in allowed
        )
    return namespace in info.namespaces


def _same_build(file: FileFacts, kernel: KernelFacts) -> bool:
    """Return whether the module was built for the structure layouts of this kernel."""
    reference = kernel.reference
    if reference is None or file.symbols is None:
        return False
    if not compares_checksums(reference.vermagic):
        return True
    layout = file.symbols.versions.get("module_layout")
    return layout is not None and layout == reference.layout


def _finding(case: _Case, symbols: Mapping[str, str], kernel: KernelFacts) -> Finding:
    lines = (f"{name}: {words}" if words else name for name, words in symbols.items())
    which = f"{len(symbols):,} of its imports"
    if len(symbols) <= _NAMED:
        which = " and ".join(symbols)
    remedy = case.remedy
    if case in (_NAMESPACE, _QUOTED, _QUOTED_TWICE):
        offers = (kernel.candidates[name].namespace or "" for name in symbols)
        # The macro takes a string since Linux 6.13.
        mark = '"' if version_of(kernel.release) >= (6, 13) else ""
        macros = (f"MODULE_IMPORT_NS({mark}{name}{mark})" for name in dict.fromkeys(offers))
        remedy = case.remedy.format(", ".join(macros))
    return Finding(case.topic, case.mark, case.text.format(which), case.errno, remedy, tuple(lines))


def version_of(release: str) -> tuple[int, int]:
    """Return the version of a kernel release: (6, 13) for `6.13.2-arch1`; (0, 0) if unknown."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _summary(symbols: Sequence[CheckedSymbol], first: tuple[str, ...]) -> Finding:
    if not symbols:
        return Finding("symbols", Mark.FINE, "It imports no symbols.")
    total = counted(len(symbols), "symbol")
    if first:
        text = f"It imports {total}, some from modules that are not loaded: {', '.join(first)}."
        remedy = "modprobe loads them first if the module is in modules.dep; insmod does not."
        return Finding("symbols", Mark.NOTE, text, remedy=remedy)
    return Finding("symbols", Mark.FINE, f"It imports {total}; all of them resolve.")
