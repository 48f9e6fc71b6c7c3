"""`kmodtui check`: whether the kernel would accept a module file, and if not, why."""

from __future__ import annotations

import argparse
import os
from typing import Any

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host, LocalHost
from kmodtui.kernel.index.places import EXTENSIONS
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.system import read_system
from kmodtui.model.check.check import KERNEL, UNKNOWN, Check, CheckedSymbol, Mark, Verdict
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, counted
from kmodtui.services.check import check_file
from kmodtui.services.origins import origins_of
from kmodtui.verbs.named_file import named_file
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1

_VERDICTS = {Verdict.LOADS: "loads", Verdict.REFUSED: "refused", Verdict.UNKNOWN: "unknown"}
_RESULTS = {Mark.FINE: "ok", Mark.NOTE: "note", Mark.REFUSES: "refused", Mark.UNKNOWN: "unknown"}

_SIGNS = {Mark.FINE: "ok", Mark.NOTE: "note", Mark.REFUSES: "NO", Mark.UNKNOWN: "?"}
_MOST_LINES = 20
"""Detail lines printed for one finding; JSON has all of them."""

_MOST_NOTED = 5
"""The same for a finding that does not affect the verdict."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument("--symbols", action="store_true", help="also list the imported symbols")
    parser.add_argument("file", metavar="FILE|NAME", help="a .ko file, or an installed module")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the findings; return 0 if the file would load, 1 if not, 2 if that is unknown.

    Raises:
        KmodtuiError: there is no such file or module.
    """
    release = release_of(host, options)
    files, path = _locate(host, release, options.file)
    found = check_file(host, path, release=release, files=files)
    if options.json:
        print_json(SCHEMA, _json(found))
    else:
        _print(found, symbols=options.symbols)
    return {Verdict.LOADS: 0, Verdict.REFUSED: 1, Verdict.UNKNOWN: 2}[found.verdict]


def _locate(host: Host, release: str, text: str) -> tuple[Host, str]:
    """Return the host and the path of a file on this machine or of an installed module."""
    if named := named_file(host, text):
        return named
    here, full = LocalHost(), os.path.abspath(text)
    if here.exists(full):
        return here, full
    index = read_index(host, release)
    origin = None
    if read_system(host).release in (None, release):
        origin = origins_of(host, index).of(canonical(text))
    path = origin.path if origin is not None else index.path_of(text)
    if path is None:
        if index.is_builtin(text):
            raise UnreadableError(f"{clean(text)} is built into the kernel and has no file.")
        if text.endswith(EXTENSIONS):
            raise UnreadableError(
                f"There is no file {clean(full)}.",
                "For an installed module, leave out the suffix: kmodtui check NAME",
            )
        raise index.unknown(text)
    if origin is None and not host.exists(path):
        index.read_info(text)  # which says why, such as a link that leads nowhere
    return host, path


def _print(check: Check, *, symbols: bool) -> None:
    print(f"{clean(check.path)} on Linux {clean(check.release)}")
    print()
    for finding in check.findings:
        print(f"  {_SIGNS[finding.mark]:<5} {finding.topic:<11} {finding.text}")
        if finding.topic == "vermagic" and finding.lines and check.vermagic:
            for label, words in (
                ("file", check.vermagic.module),
                ("kernel", check.vermagic.kernel),
            ):
                shown = " ".join(f"[{w.text}]" if w.differs else w.text for w in words)
                print(f"{'':20}{label:<7} {shown}")
            continue
        most = _MOST_NOTED if finding.mark is Mark.NOTE else _MOST_LINES
        for line in finding.lines[:most]:
            print(f"{'':20}{line}")
        if len(finding.lines) > most:
            print(f"{'':20}… and {len(finding.lines) - most:,} more")
    for place, (provider, imports) in enumerate(check.providers.items()):
        label = "" if place else "imports"
        print(f"{'':8}{label:<12}{provider or 'unresolved':<24} {counted(len(imports), 'symbol')}")
        for symbol in imports if symbols else ():
            print(f"{'':22}{symbol.name}{'  weak' if symbol.weak else ''}")
    print()
    print(check.sentence)
    for finding in check.because:
        if finding.errno:
            print(f"The kernel would return {finding.errno}.")
            break
    for remedy in dict.fromkeys(finding.remedy for finding in check.because if finding.remedy):
        print(remedy)


def _json(check: Check) -> dict[str, Any]:
    compared = check.vermagic
    return {
        "path": check.path,
        "module": check.name,
        "release": check.release,
        "verdict": _VERDICTS[check.verdict],
        "summary": check.sentence,
        "errno": check.errno or None,
        "load_first": check.first,
        "findings": [
            {
                "topic": finding.topic,
                "result": _RESULTS[finding.mark],
                "text": finding.text,
                "errno": finding.errno or None,
                "remedy": finding.remedy or None,
                "details": finding.lines,
            }
            for finding in check.findings
        ],
        "vermagic": compared
        and {
            "module": [{"word": w.text, "differs": w.differs} for w in compared.module],
            "kernel": [{"word": w.text, "differs": w.differs} for w in compared.kernel],
            "accepted": compared.accepted,
        },
        "imports": [_import_json(symbol) for symbol in check.symbols],
    }


def _import_json(symbol: CheckedSymbol) -> dict[str, Any]:
    kinds = {KERNEL: "kernel", UNKNOWN: "unknown", "": "unresolved"}
    kind = kinds.get(symbol.provider, "module")
    return {
        "name": symbol.name,
        "weak": symbol.weak,
        "provider_kind": kind,
        "provider": symbol.provider if kind == "module" else None,
        "result": _RESULTS[symbol.mark],
        "problem": symbol.words or None,
    }
