"""The options of the kernel's configuration that concern modules, and what they mean.

The subject of each finding is the prompt of the option in the kernel's configuration menu:
`kernel/module/Kconfig`, `init/Kconfig` and `lib/Kconfig.debug`, Linux 6.1 to 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kmodtui.model.doctor.facts import BuildConfig, DoctorFacts
from kmodtui.model.doctor.finding import Finding, Level

_OK, _LIMITED, _OFF = Level.OK, Level.LIMITED, Level.OFF


@dataclass(frozen=True, slots=True)
class _Option:
    """An option: its prompt, and level and meaning if it is set and if it is not set."""

    name: str
    prompt: str
    set: tuple[Level, str]
    unset: tuple[Level, str]


OPTIONS: tuple[_Option, ...] = (
    _Option(
        "MODULES",
        "Enable loadable module support",
        (_OK, "This kernel can load modules."),
        (_OFF, "This kernel cannot load modules: all its drivers are built in."),
    ),
    _Option(
        "MODULE_UNLOAD",
        "Module unloading",
        (_OK, "Modules that nothing uses can be unloaded, unless they have no exit function."),
        (_OFF, "A loaded module stays loaded until the next boot."),
    ),
    _Option(
        "MODULE_FORCE_LOAD",
        "Forced module loading",
        (
            _OK,
            "modprobe --force can load a module that was built for another kernel. That sets the "
            "taint flag F and can crash the system.",
        ),
        (
            _OFF,
            "modprobe --force is refused. That is the safe choice: a module that was built for "
            "another kernel can crash this one.",
        ),
    ),
    _Option(
        "MODULE_FORCE_UNLOAD",
        "Forced module unloading",
        (
            _OK,
            "rmmod --force can unload a module that is in use. That sets the taint flag R and "
            "can crash the system; kmodtui never does it.",
        ),
        (_OFF, "rmmod --force is refused. That is the safe choice."),
    ),
    _Option(
        "MODULE_UNLOAD_TAINT_TRACKING",
        "Tainted module unload tracking",
        (_OK, "The kernel remembers the unloaded modules that tainted it."),
        (
            _OFF,
            "When a module that tainted the kernel is unloaded, the kernel forgets which it was.",
        ),
    ),
    _Option(
        "MODVERSIONS",
        "Module versioning support",
        (
            _OK,
            "Each exported symbol has a checksum of its types. A module that was built for "
            "another release loads if all its checksums match.",
        ),
        (
            _OFF,
            "There are no symbol checksums: a module loads only on the release it was built for.",
        ),
    ),
    _Option(
        "MODULE_SRCVERSION_ALL",
        "Source checksum for all modules",
        (
            _OK,
            "Each module has a srcversion, which shows whether the loaded module and the file "
            "have the same source.",
        ),
        (
            _OFF,
            "Only modules with a version have a srcversion. For the others it is unknown whether "
            "the loaded module and the file have the same source.",
        ),
    ),
    _Option(
        "MODULE_SIG",
        "Module signature verification",
        (_OK, "The kernel verifies the signature of each module that it loads."),
        (_OFF, "The kernel does not verify signatures."),
    ),
    _Option(
        "MODULE_SIG_FORCE",
        "Require modules to be validly signed",
        (_LIMITED, "Only modules that are signed with a trusted key can be loaded."),
        (
            _OK,
            "Unsigned modules can be loaded, unless module.sig_enforce or lockdown forbids it.",
        ),
    ),
    _Option(
        "MODULE_SIG_ALL",
        "Automatically sign all modules",
        (_OK, "The build of this kernel signed its modules."),
        (
            _OFF,
            "The build of this kernel did not sign its modules. Distributions such as Debian "
            "sign them afterwards; kmodtui info shows the signature of a module.",
        ),
    ),
    _Option(
        "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS",
        "Allow loading of modules with missing namespace imports",
        (_OK, "A module may use symbols of a namespace that it does not import."),
        (
            _OFF,
            "A module has to import the namespaces of the symbols that it uses, which its "
            "source does with MODULE_IMPORT_NS.",
        ),
    ),
    _Option(
        "TRIM_UNUSED_KSYMS",
        "Trim unused exported kernel symbols",
        (
            _LIMITED,
            "Only symbols that the kernel's own modules use are exported. Out-of-tree modules "
            "can fail with “Unknown symbol”.",
        ),
        (_OK, "All exports of the source are there for out-of-tree modules."),
    ),
    _Option(
        "MODULE_STATS",
        "Module statistics",
        (_OK, "The kernel counts failed and duplicate loads; see below."),
        (_OFF, "The kernel does not count failed and duplicate loads."),
    ),
    _Option(
        "KALLSYMS",
        "Load all symbols for debugging/ksymoops",
        (_OK, "/proc/kallsyms lists the symbols of the kernel and of its modules."),
        (_OFF, "There is no /proc/kallsyms: kmodtui cannot show what a module adds."),
    ),
    _Option(
        "KALLSYMS_ALL",
        "Include all symbols in kallsyms",
        (_OK, "/proc/kallsyms lists variables as well as functions."),
        (_LIMITED, "/proc/kallsyms lists functions only, not variables."),
    ),
)
"""The options that are either set or not set; compression is `_compression`."""

_WITHOUT_MODULES = ("MODULES", "KALLSYMS", "KALLSYMS_ALL")
"""The options that mean something in a kernel without loadable modules."""

_TYPES = {"GZIP": "gzip", "XZ": "xz", "ZSTD": "zstd"}


def option_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield what each option means. Without the configuration, only what else proves it."""
    config = facts.config
    options = OPTIONS
    if config is not None and "MODULES" not in config.options:
        options = tuple(each for each in OPTIONS if each.name in _WITHOUT_MODULES)
    for option in options:
        if config is not None:
            yield _configured(option, config)
        elif (shown := _shown(option.name, facts)) is not None:
            level, reason = option.set if shown[0] else option.unset
            yield Finding(option.name, option.prompt, level, reason, (shown[1],))
        else:
            reason = "The configuration that this kernel was built with cannot be read."
            evidence = (f"/boot/config-{facts.release}", "/proc/config.gz")
            yield Finding(option.name, option.prompt, Level.UNKNOWN, reason, evidence)
    if config is not None and options is OPTIONS:
        yield from _compression(config)


def _configured(option: _Option, config: BuildConfig) -> Finding:
    is_set = config.options.get(option.name) == "y"
    level, reason = option.set if is_set else option.unset
    remedy = ""
    if level is not Level.OK:
        word = "without" if is_set else "with"
        remedy = f"Use a kernel built {word} CONFIG_{option.name}."
    return Finding(option.name, option.prompt, level, reason, (_line(option.name, config),), remedy)


def _line(name: str, config: BuildConfig) -> str:
    value = config.options.get(name)
    words = f"CONFIG_{name} is not set" if value is None else f"CONFIG_{name}={value}"
    return f"{config.file}: {words}"


def _shown(name: str, facts: DoctorFacts) -> tuple[bool, str] | None:
    """Return whether an option is set, and the file that shows it; None if nothing does."""
    if not facts.running:
        return None
    match name:
        case "MODULES":
            return facts.has_modules, "/proc/modules"
        case "MODULE_UNLOAD" if facts.table.modules:
            return facts.table.modules[0].refcount is not None, "/proc/modules"
        case "MODULE_SIG" if facts.system.sig_enforce is not None:
            return True, "/sys/module/module/parameters/sig_enforce"
        case "MODULE_STATS" if facts.statistics is not None:
            return True, "/sys/kernel/debug/modules/stats"
    return None


def _compression(config: BuildConfig) -> Iterator[Finding]:
    options = config.options
    kind = next((k for k in _TYPES if options.get(f"MODULE_COMPRESS_{k}") == "y"), "")
    name = f"MODULE_COMPRESS_{kind}" if kind else "MODULE_COMPRESS"
    if not kind:
        reason = "The build of this kernel did not compress its modules."
    elif options.get("MODULE_COMPRESS_ALL", "y") != "y":
        reason = f"Modules may be compressed with {_TYPES[kind]}; the build compressed none itself."
    else:
        reason = f"The build of this kernel compressed its modules with {_TYPES[kind]}."
    yield Finding("MODULE_COMPRESS", "Module compression", Level.OK, reason, (_line(name, config),))
    prompt = "Support in-kernel module decompression"
    evidence = (_line("MODULE_DECOMPRESS", config),)
    if options.get("MODULE_DECOMPRESS") == "y":
        reason = f"The kernel decompresses {_TYPES.get(kind, '')} itself if kmod asks it to."
        yield Finding("MODULE_DECOMPRESS", prompt, Level.OK, " ".join(reason.split()), evidence)
        return
    reason = "kmod has to decompress a module before the kernel loads it."
    remedy = "Use a kernel built with CONFIG_MODULE_DECOMPRESS." if kind else ""
    yield Finding("MODULE_DECOMPRESS", prompt, Level.OFF, reason, evidence, remedy)
