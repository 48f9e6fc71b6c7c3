"""What the kernel's log lines about a failed load mean.

One errno has a dozen causes; the log line names the one. Source of the lines:
`kernel/module/main.c`, `kernel/module/version.c`, `kernel/module/signing.c`,
`kernel/module/decompress.c`, `kernel/params.c`, `kernel/bpf/btf.c`, `arch/x86/kernel/module.c`
and those of other architectures, `security/lockdown/lockdown.c`, `security/loadpin/loadpin.c`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kmodtui.model.explain.explanation import Case, Explanation, speaker
from kmodtui.model.explain.signature import enrolment, signed_by
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean

Found = re.Match[str]
Rule = Callable[[Case, Found], Explanation | None]


def _bad_value(case: Case, found: Found) -> Explanation:
    value, parameter = found["value"], found["parameter"]
    wanted = case.facts.parameters.get(parameter, "")
    return Explanation(
        f"Wrong value for {parameter}",
        f"{case.name} does not accept {value!r} for its parameter {parameter}"
        + (f", which is of type {wanted}." if wanted else "."),
        remedy=f"Give {parameter} another value" + (f" of type {wanted}." if wanted else "."),
    )


def _no_symbol(case: Case, found: Found) -> Explanation:
    symbol = found["symbol"]
    provider = case.facts.providers.get(symbol, "")
    if provider and provider not in case.facts.loaded:
        return Explanation(
            f"{case.name} needs {provider}",
            f"{case.name} imports the symbol {symbol}, which {provider} exports, and {provider} is "
            "not loaded.",
            remedy=f"Load {provider} first.",
        )
    return Explanation(
        f"Unknown symbol {symbol}",
        f"{case.name} imports the symbol {symbol}, which the kernel could not resolve: its "
        "provider is not loaded, or only GPL-compatible modules may use it.",
        remedy="Load the module that exports it, or rebuild against this kernel.",
    )


def _other_version(case: Case, found: Found) -> Explanation:
    symbol = found["symbol"]
    what = "another configuration or compiler" if symbol == "module_layout" else "another version"
    return Explanation(
        f"{case.name} was built for another kernel",
        f"{case.name} was built against {what} of the kernel: {symbol} differs.",
        remedy="Rebuild it against the headers of the running kernel.",
    )


def _no_namespace(case: Case, found: Found) -> Explanation:
    space = found["space"]
    return Explanation(
        f"{case.name} does not import {space}",
        f"{case.name} uses {found['symbol']} from the symbol namespace {space} without importing "
        "it.",
        remedy=f'Add MODULE_IMPORT_NS("{space}") to its source and rebuild it.',
    )


def _vermagic(case: Case, found: Found) -> Explanation:
    has, wants = found["has"], found["wants"]
    differing = [word for word in wants.split() if word not in has.split()]
    return Explanation(
        f"{case.name} was built for another kernel",
        f"It was built for “{has.strip()}”, but this kernel is “{wants.strip()}”"
        + (f"; the difference: {' '.join(differing)}." if differing else "."),
        remedy="Rebuild it against the headers of the running kernel, or install its package.",
    )


def _duplicate(case: Case, found: Found) -> Explanation:
    built_in = found["owner"] == "kernel"
    owner = "the kernel itself" if built_in else found["owner"]
    return Explanation(
        f"{owner} already contains this code",
        f"{case.name} exports {found['symbol']}, which {owner} already exports.",
        remedy="It is built in: there is nothing to load."
        if built_in
        else f"Unload {owner} first.",
    )


def _rejected(case: Case, found: Found) -> Explanation:
    return Explanation(
        "The kernel requires a valid signature",
        f"{case.name} was refused: {found['what']}. This kernel only loads signed modules."
        + signed_by(case),
        remedy=enrolment(case)
        or "Sign it, and enrol the key (mokutil), or install the distribution's package.",
    )


def _other_btf(case: Case, found: Found) -> Explanation | None:
    if canonical(found["module"]) != case.name:
        return None  # of a module that something else loads at the same time
    return Explanation(
        f"{case.name} was built with another build of this kernel",
        "The type information (BTF) in its file does not fit this kernel, although both have the "
        "same release: they come from different builds.",
        remedy="Reinstall the kernel's package and reboot, so that both are of one build. For a "
        "module of your own: rebuild it, or remove the section with objcopy -R .BTF.",
    )


_XZ_OPTIONS = ("2", "4", "6")  # XZ_UNSUPPORTED_CHECK, XZ_MEMLIMIT_ERROR, XZ_OPTIONS_ERROR


def _not_decompressed(case: Case, found: Found) -> Explanation:
    if found["status"] in _XZ_OPTIONS:
        return Explanation(
            f"The kernel cannot decompress the file of {case.name}",
            "This kernel decompresses module files itself. Of xz, it takes only the check CRC32, "
            "but xz uses CRC64 by default. A dictionary takes memory: 1 MiB is enough.",
            remedy="Compress it again: xz --check=crc32 --lzma2=dict=1MiB FILE. Then run depmod.",
        )
    return Explanation(
        f"The kernel cannot decompress the file of {case.name}",
        "This kernel decompresses module files itself, and its decompressor refused this file: it "
        "is damaged.",
        remedy="Install it again, or decompress it and run depmod.",
    )


def _not_relocated(case: Case, found: Found) -> Explanation:  # noqa: ARG001
    compiler = f" This kernel was built with {case.facts.compiler}." if case.facts.compiler else ""
    return Explanation(
        f"The kernel cannot relocate {case.name}",
        f"A reference in the file of {case.name} cannot be set. It was built with a compiler, a "
        f"linker or options that do not fit this kernel, or changed since it was built.{compiler}",
        remedy="Rebuild it with the compiler that /proc/version names, and install it again.",
    )


def _pinned(case: Case, found: Found) -> Explanation:
    unpacked = found["why"].startswith("old-api")
    why = (
        "it was passed to the kernel as data, as after decompression in user space"
        if unpacked
        else f"it is not on the file system of the first module that was loaded ({found['file']})"
    )
    return Explanation(
        f"LoadPin does not permit {case.name}",
        f"LoadPin, a security module of the kernel, refused {case.name}: {why}.",
        remedy=(
            "Install it uncompressed on the same file system as the kernel's own modules. "
            if unpacked
            else "Install it on the same file system as the kernel's own modules. "
        )
        + "loadpin.enforce=0 on the kernel command line turns LoadPin off.",
    )


def _denied_by_chromium(case: Case, found: Found) -> Explanation:
    return Explanation(
        f"The security module of Chromium OS does not permit {case.name}",
        f"It refused {found['file']}: it takes modules only from the root file system.",
        remedy="Install the module on the root file system, uncompressed.",
    )


def _locked_down(case: Case, found: Found) -> Explanation:
    return Explanation(
        "The kernel is locked down",
        f"{found['what']} is restricted: the kernel is in lockdown"
        + (f" ({case.facts.lockdown})" if case.facts.lockdown not in ("", "none") else "")
        + ", which Secure Boot turns on.",
        remedy="Sign the module and enrol its key, or disable Secure Boot in the firmware.",
    )


def _not_elf(case: Case, found: Found) -> Explanation:
    return Explanation(
        f"The file of {case.name} is not a module for this kernel",
        f"The kernel does not accept it as a module: {found['what']}.",
        remedy="It may be damaged, compressed, or for another architecture: install it again.",
    )


def _waited(case: Case, found: Found) -> Explanation:
    other = found["owner"]
    return Explanation(
        f"{other} hangs in its init function",
        f"{case.name} depends on {other}, which has been loading for too long.",
        remedy=f"Find out what {other} waits for. A reboot ends it.",
    )


_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (
        re.compile(r"`(?P<value>.*)' (?:invalid|too large) for parameter `(?P<parameter>[^']+)'"),
        _bad_value,
    ),
    (re.compile(r"version magic '(?P<has>[^']*)' should be '(?P<wants>[^']*)'"), _vermagic),
    (re.compile(r"disagrees about version of symbol (?P<symbol>\S+)"), _other_version),
    (
        re.compile(r"uses symbol \(?(?P<symbol>[^\s)]+)\)? from namespace (?P<space>[^\s,]+), but"),
        _no_namespace,
    ),
    (re.compile(r"Unknown symbol (?P<symbol>\S+) \(err -?\d+\)"), _no_symbol),
    (
        re.compile(r"exports duplicate symbol (?P<symbol>\S+) \(owned by (?P<owner>[^)]+)\)"),
        _duplicate,
    ),
    (re.compile(r"(?P<what>Loading of .+ is rejected)"), _rejected),
    (re.compile(r"^Lockdown: [^:]+: (?P<what>.*module.*) is restricted"), _locked_down),
    (re.compile(r"failed to validate module \[(?P<module>[^\]]+)\] BTF"), _other_btf),
    (
        re.compile(r"decompression (?:initialization )?failed with status (?P<status>-?\d+)"),
        _not_decompressed,
    ),
    (
        re.compile(
            r"(?P<what>invalid relocation target|overflow in relocation type \d+"
            r"|relocation \d+ out of range|unsupported RELA relocation)"
        ),
        _not_relocated,
    ),
    (
        re.compile(r"^LoadPin: kernel-module (?P<why>[\w-]+) obj=(?P<file>\S+)"),
        _pinned,
    ),
    (
        re.compile(r'^Chromium OS LSM: init_module denied module="(?P<file>[^"]*)"'),
        _denied_by_chromium,
    ),
    (re.compile(r"gave up waiting for init of module (?P<owner>[^\s.]+)"), _waited),
    (
        re.compile(
            r"(?P<what>Invalid ELF header magic|Invalid architecture in ELF header"
            r"|module has no symbols \(stripped\?\)|\.gnu\.linkonce\.this_module section size)"
        ),
        _not_elf,
    ),
)


MAX_RECORD = 1024
"""Characters of a record that are searched; the kernel's own limit for a line is about the same."""

# What stands in place of a module's name where the kernel logs about itself.
_NO_MODULE = ("", "Lockdown", "LoadPin", "module")


def explain_log(case: Case) -> Explanation | None:
    """Return what the kernel itself logged as the cause; None if it logged nothing known.

    Others may load modules at the same moment: records about theirs are left out.
    """
    known = case.asked.union(_NO_MODULE)
    ours = [text[:MAX_RECORD] for text in case.texts if speaker(text) in known]
    for pattern, rule in _RULES:
        for text in ours:
            found = pattern.search(text)
            explained = rule(case, found) if found else None
            if explained is not None:
                return replace(explained, evidence=(clean(text),))
    return None
