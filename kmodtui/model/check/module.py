"""The checks, in the kernel's order; each mirrors the kernel function that it names."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.check.btf import check_btf
from kmodtui.model.check.check import (
    GPL_LICENSES,
    Check,
    FileFacts,
    Finding,
    KernelFacts,
    Mark,
    Reference,
)
from kmodtui.model.check.signature import check_signature
from kmodtui.model.check.symbols import FOR_MODULES, check_symbols, version_of
from kmodtui.model.check.vermagic import (
    VermagicComparison,
    compare_vermagic,
    compares_checksums,
    difference_words,
)
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import canonical
from kmodtui.model.text import counted

_REBUILD = "Rebuild it against the headers of this kernel."
_PACKED_BY = {"gzip": "zlib", "xz": "liblzma", "zstd": "libzstd"}


def check_module(file: FileFacts, kernel: KernelFacts) -> Check:
    """Return whether the kernel would load a module file, and why not."""
    info = file.info
    name = canonical(info.text("name") or info.name) if info else canonical(file.path)
    findings = [
        *_switches(kernel),
        *_packing(file, kernel),
        *check_signature(file, kernel),
        *_form(file),
    ]
    if info is None:
        return Check(file.path, name, kernel.release, tuple(findings))
    vermagic = _compared(file, info, kernel.reference)
    findings += [
        *_machine(file, info, kernel.reference),
        *_blacklists(name, kernel),
        *_layout(file, kernel),
        *_vermagic(info, kernel, vermagic),
        *_presence(name, kernel),
        *_licence(info),
        *_namespaces(info, kernel),
    ]
    symbols = check_symbols(file, info, kernel)
    findings += [*symbols.findings, *_duplicates(kernel), *check_btf(file, kernel)]
    return Check(
        file.path,
        name,
        kernel.release,
        tuple(findings),
        symbols.symbols,
        vermagic,
        symbols.first,
    )


def _switches(kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `may_init_module`."""
    if kernel.options is not None and kernel.options.get("MODULES") != "y":
        yield Finding(
            "switches",
            Mark.REFUSES,
            "This kernel cannot load modules: it was built without CONFIG_MODULES.",
            "ENOSYS",
        )
    elif not kernel.has_modules:
        yield Finding(
            "switches",
            Mark.UNKNOWN,
            "This kernel may not support loadable modules: there is no /proc/modules.",
            remedy="If this is a container, check on its host.",
        )
    if kernel.modules_disabled:
        yield Finding(
            "switches",
            Mark.REFUSES,
            "This kernel refuses to load any more modules: kernel.modules_disabled is 1.",
            "EPERM",
            "It cannot be set back to 0 before the next boot.",
        )


def _packing(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    if file.not_read:
        yield Finding("file", Mark.UNKNOWN, file.not_read)
    if file.not_read or not file.packing:
        return
    if file.packing == kernel.unpacks and file.xz_filter:
        yield Finding(
            "packing",
            Mark.REFUSES,
            f"This kernel decompresses xz itself and has no {file.xz_filter} filter, which the "
            "file was compressed with. (modprobe leaves it to the kernel since kmod 31.)",
            "EINVAL",
            "Compress it with xz --check=crc32 --lzma2=dict=1MiB, or decompress it.",
        )
        return
    if file.packing == kernel.unpacks and file.xz_check not in ("", "none", "CRC32"):
        yield Finding(
            "packing",
            Mark.REFUSES,
            f"This kernel decompresses xz itself and accepts CRC32 only; the file has "
            f"{file.xz_check}. (modprobe leaves it to the kernel since kmod 31.)",
            "EINVAL",
            "Compress it with xz --check=crc32 --lzma2=dict=1MiB, or decompress it.",
        )
        return
    if file.packing in (*kernel.packings, kernel.unpacks):
        who = "like this system's own modules"
        if file.packing not in kernel.packings:
            who = "which this kernel decompresses itself"
        text = f"It is compressed with {file.packing}, {who}."
        yield Finding("packing", Mark.FINE, text)
        return
    library = _PACKED_BY[file.packing]
    yield Finding(
        "packing",
        Mark.UNKNOWN,
        f"It is compressed with {file.packing}, unlike this system's own modules: modprobe can "
        f"only load it if kmod was built with {library}."
        + (
            f" A kernel that decompresses modules itself refuses it: its checksum is "
            f"{file.xz_check}, not CRC32."
            if file.xz_check not in ("", "none", "CRC32")
            else ""
        ),
        remedy="See kmod --version, or decompress the file first.",
    )


def _form(file: FileFacts) -> Iterator[Finding]:
    """Mirror `elf_validity_check` and `setup_load_info`."""
    for sentence in file.damage:
        yield Finding("file", Mark.REFUSES, sentence, "ENOEXEC")


def _machine(file: FileFacts, info: ModuleInfo, reference: Reference | None) -> Iterator[Finding]:
    words = f"{info.machine}, {file.bits}-bit, {'little' if file.little_endian else 'big'}-endian"
    if reference is None:
        text = f"It is built for {words}; what this kernel is built for is unknown."
        yield Finding("machine", Mark.UNKNOWN, text)
        return
    kernel = (reference.machine, reference.bits, reference.little_endian)
    if (info.machine, file.bits, file.little_endian) == kernel:
        yield Finding("machine", Mark.FINE, f"It is built for this architecture: {words}.")
        return
    end = "little" if reference.little_endian else "big"
    theirs = f"{reference.machine}, {reference.bits}-bit, {end}-endian"
    yield Finding(
        "machine",
        Mark.REFUSES,
        f"It is built for another architecture: {words}. This kernel is built for {theirs}.",
        "ENOEXEC",
        "Install or build the module for this architecture.",
    )


def _blacklists(name: str, kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `blacklisted`; `blacklist` in modprobe.d only disables aliases, not loading a file."""
    if kernel.blocked:
        yield Finding(
            "blacklist",
            Mark.REFUSES,
            f"{name} is blocked by module_blacklist= on the kernel command line.",
            "EPERM",
            "Remove it from the kernel command line and reboot.",
        )
    if kernel.rules:
        yield Finding(
            "blacklist",
            Mark.NOTE,
            f"modprobe.d has rules for {name}; insmod ignores them.",
            lines=kernel.rules,
        )


def _layout(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `check_modstruct_version`, and since Linux 6.4 the size of `struct module`."""
    reference = kernel.reference
    if reference is None:
        return
    has = bool(file.symbols and file.symbols.versions)
    ours = file.symbols.versions.get("module_layout") if file.symbols else None
    if compares_checksums(reference.vermagic) and file.symbols is not None:
        if not has:
            yield _forced("It has no symbol checksums, which this kernel requires", kernel)
        elif ours is not None and reference.layout is not None and ours != reference.layout:
            yield Finding(
                "layout",
                Mark.REFUSES,
                "It was built for other structure layouts: another configuration or compiler "
                f"(its module_layout is 0x{ours:08x}, this kernel's 0x{reference.layout:08x}).",
                "ENOEXEC",
                _REBUILD,
            )
            return
    if file.struct_size is not None and reference.struct_size not in (None, file.struct_size):
        yield Finding(
            "layout",
            Mark.REFUSES if ours is None else Mark.UNKNOWN,
            f"Its struct module is {file.struct_size:,} bytes long, this kernel's "
            f"{reference.struct_size:,}: it was built for another configuration.",
            "ENOEXEC" if ours is None else "",
            _REBUILD,
        )


def _forced(what: str, kernel: KernelFacts) -> Finding:
    """Mirror `try_to_force_load`: with CONFIG_MODULE_FORCE_LOAD the kernel loads and taints."""
    if kernel.options is None:
        text = f"{what}. Whether it loads the module anyway is unknown."
        return Finding("vermagic", Mark.UNKNOWN, text, remedy=_REBUILD)
    if kernel.options.get("MODULE_FORCE_LOAD") == "y":
        text = f"{what}. It loads the module anyway and sets taint F."
        return Finding("vermagic", Mark.NOTE, text, remedy=_REBUILD)
    return Finding("vermagic", Mark.REFUSES, f"{what}.", "ENOEXEC", _REBUILD)


def _compared(
    file: FileFacts, info: ModuleInfo, reference: Reference | None
) -> VermagicComparison | None:
    if reference is None or not info.vermagic:
        return None
    has = file.basic_versions and bool(file.symbols and file.symbols.versions)
    return compare_vermagic(info.vermagic, reference.vermagic, has_checksums=has)


def _vermagic(
    info: ModuleInfo, kernel: KernelFacts, compared: VermagicComparison | None
) -> Iterator[Finding]:
    """Mirror `check_modinfo`."""
    if kernel.reference is None:
        yield Finding(
            "vermagic",
            Mark.UNKNOWN,
            "This kernel's version magic is unknown: none of its modules can be read.",
        )
    elif compared is None:
        yield _forced("It has no version magic, which this kernel requires", kernel)
    elif not compared.accepted:
        ours = " ".join(word.text for word in compared.module if word.differs)
        theirs = " ".join(word.text for word in compared.kernel if word.differs)
        what = f"its version magic has {ours or 'nothing'} where this kernel has"
        yield Finding(
            "vermagic",
            Mark.REFUSES,
            f"It was built for another kernel: {what} {theirs or 'nothing'}."
            f"{difference_words(compared)}",
            "ENOEXEC",
            _REBUILD,
            (info.vermagic, kernel.reference.vermagic),
        )
    elif compared.release_ignored:
        yield Finding(
            "vermagic",
            Mark.NOTE,
            f"It was built for {compared.module[0].text}; this kernel compares symbol checksums "
            "instead of the release.",
            lines=(info.vermagic, kernel.reference.vermagic),
        )
    else:
        yield Finding("vermagic", Mark.FINE, f"It was built for this kernel: {info.vermagic}.")


def _presence(name: str, kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `add_unformed_module` and `mod_sysfs_init`."""
    if name in kernel.loaded:
        yield Finding(
            "presence",
            Mark.REFUSES,
            f"{name} is already loaded.",
            "EEXIST",
            f"Unload {name} first, or reload it.",
        )
    elif kernel.present:
        yield Finding(
            "presence", Mark.REFUSES, f"{name} is already built into this kernel.", "EINVAL"
        )


def _licence(info: ModuleInfo) -> Iterator[Finding]:
    if info.license not in GPL_LICENSES:
        licence = info.license or "missing"
        yield Finding(
            "licence",
            Mark.NOTE,
            f"Its licence is {licence}: it sets taint P and may not use GPL-only symbols.",
        )


def _namespaces(info: ModuleInfo, kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `setup_modinfo`: since Linux 6.16, no module imports the namespace of named ones."""
    known = any((c.namespace or "").startswith(FOR_MODULES) for c in kernel.candidates.values())
    names = [name for name in info.namespaces if name.startswith(FOR_MODULES)]
    if names and (known or version_of(kernel.release) >= (6, 16)):
        yield Finding(
            "namespaces",
            Mark.REFUSES,
            f"It imports the namespace {names[0]}: symbols for named modules cannot be imported "
            "that way.",
            "EPERM",
            "Remove that MODULE_IMPORT_NS() from its source.",
        )


def _duplicates(kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `verify_exported_symbols`."""
    if kernel.duplicates:
        count = counted(len(kernel.duplicates), "symbol")
        yield Finding(
            "duplicates",
            Mark.REFUSES,
            f"It exports {count} that {'is' if len(kernel.duplicates) == 1 else 'are'} already "
            "exported by others.",
            "ENOEXEC",
            "Check whether the same code is loaded or built in under another name.",
            tuple(f"{symbol}: {owner}" for symbol, owner in sorted(kernel.duplicates.items())),
        )
