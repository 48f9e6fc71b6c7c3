"""The questions of a check, each after a function of the kernel, and their order."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.check import (
    GPL_LICENSES,
    Check,
    FileFacts,
    Finding,
    KernelFacts,
    Mark,
    Reference,
)
from kmodtui.model.check_symbols import check_symbols
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import canonical
from kmodtui.model.text import counted
from kmodtui.model.vermagic import VermagicComparison, compare_vermagic, compares_checksums

_REINSTALL = "Install the package that it belongs to again."
_REBUILD = "Build it for this kernel, against its headers."
_PACKED_BY = {"gzip": "zlib", "xz": "liblzma", "zstd": "libzstd"}


def check_module(file: FileFacts, kernel: KernelFacts) -> Check:
    """Return what the kernel would make of a module file, and why."""
    info = file.info
    name = canonical(info.text("name") or info.name) if info else canonical(file.path)
    findings = [*_switches(kernel), *_packing(file, kernel), *_seal(file, kernel), *_form(file)]
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
    ]
    symbols = check_symbols(file, info, kernel)
    findings += [*symbols.findings, *_duplicates(kernel)]
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
    """After `may_init_module`."""
    if kernel.options is not None and kernel.options.get("MODULES") != "y":
        yield Finding(
            "switches",
            Mark.REFUSES,
            "This kernel loads no modules at all: it was built without CONFIG_MODULES.",
            "ENOSYS",
        )
    elif not kernel.has_modules:
        yield Finding(
            "switches",
            Mark.UNKNOWN,
            "This kernel shows no loadable modules: /proc/modules is not there.",
            remedy="In a container, check on the machine itself.",
        )
    if kernel.modules_disabled:
        yield Finding(
            "switches",
            Mark.REFUSES,
            "This kernel loads no more modules: kernel.modules_disabled is 1.",
            "EPERM",
            "Only a reboot takes that back.",
        )


def _packing(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    if file.not_read:
        yield Finding("file", Mark.UNKNOWN, file.not_read)
    if file.not_read or not file.packing:
        return
    if file.packing in kernel.packings:
        told = f"It is packed with {file.packing}, as this system's own modules are."
        yield Finding("packing", Mark.FINE, told)
        return
    library = _PACKED_BY[file.packing]
    yield Finding(
        "packing",
        Mark.UNKNOWN,
        f"It is packed with {file.packing}, which no module of this system is: whether modprobe "
        f"can unpack it depends on whether kmod was built with {library}.",
        remedy="kmod --version tells, or unpack it first.",
    )


def _seal(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    """After `module_sig_check`, which looks at the end of the file before all else."""
    if (kernel.options or {}).get("MODULE_SIG", "y") != "y":
        yield Finding("signature", Mark.FINE, "This kernel does not look at signatures.")
        return
    seal = file.seal
    if file.damage and file.info is None and not seal.content:
        return  # it is no ELF file: nobody has looked at its end, and it does not matter
    if seal.fault:
        yield Finding(
            "signature",
            Mark.REFUSES,
            f"Its signature is damaged: {seal.fault}. That is refused even where unsigned "
            "modules are not.",
            "EBADMSG",
            _REINSTALL,
        )
        return
    if seal.marked and seal.supported:
        yield _signed(file, kernel)
        return
    what = "It is not signed"
    if seal.marked:
        what = "It is signed in a way that kernels since Linux 4.3 do not know"
    yield _unsigned(what, kernel)


def _signed(file: FileFacts, kernel: KernelFacts) -> Finding:
    signature = file.info.signature if file.info else None
    if signature is None or not signature.readable:
        return Finding(
            "signature", Mark.UNKNOWN, "It is signed, in a form that is not understood here."
        )
    signer = signature.signer_name or "somebody without a name"
    if kernel.signature_fits is False:
        return Finding(
            "signature",
            Mark.REFUSES,
            f"It was changed after {signer} signed it: the signature does not fit. That is refused "
            "even where unsigned modules are not.",
            "EKEYREJECTED",
            _REINSTALL,
        )
    if kernel.signature_fits:
        told = f"It is signed by {signer}, with a key that the kernel brings, and unchanged since."
        return Finding("signature", Mark.FINE, told)
    reference = kernel.reference
    if reference is not None and reference.key == signature.key_id:
        return Finding(
            "signature",
            Mark.FINE,
            f"It is signed by {signer}, as the kernel's own modules are. Whether the signature "
            "fits the file, only the kernel can tell.",
        )
    told = f"It is signed by {signer}, with another key than the kernel's own modules"
    if _enforced(kernel):
        return Finding(
            "signature",
            Mark.UNKNOWN,
            f"{told}: it loads only if the kernel knows the key, and {_enforced(kernel)}.",
            remedy="As root, /proc/keys lists the keys of .machine and .secondary_trusted_keys.",
        )
    return Finding(
        "signature",
        Mark.NOTE,
        f"{told}. If the kernel does not know the key, that taints it (E), no more.",
    )


def _unsigned(what: str, kernel: KernelFacts) -> Finding:
    if why := _enforced(kernel):
        enforced = kernel.sig_enforce or kernel.sig_enforce is None
        return Finding(
            "signature",
            Mark.REFUSES,
            f"{what}, and {why}.",
            "EKEYREJECTED" if enforced else "EPERM",
            "Sign it, and let the kernel know the key (mokutil --import).",
        )
    if kernel.running and kernel.sig_enforce is None and kernel.options is None:
        return Finding(
            "signature", Mark.UNKNOWN, f"{what}, and whether this kernel minds is not known."
        )
    return Finding("signature", Mark.NOTE, f"{what}. That taints the kernel (E), no more.")


def _enforced(kernel: KernelFacts) -> str:
    """Return what makes this kernel refuse unsigned modules; empty if nothing does."""
    if kernel.sig_enforce:
        return "this kernel refuses unsigned modules (module.sig_enforce)"
    if kernel.sig_enforce is None and (kernel.options or {}).get("MODULE_SIG_FORCE") == "y":
        return "this kernel refuses unsigned modules (CONFIG_MODULE_SIG_FORCE)"
    if kernel.lockdown in ("integrity", "confidentiality"):
        return f"the kernel is locked down ({kernel.lockdown}), which refuses unsigned modules"
    return ""


def _form(file: FileFacts) -> Iterator[Finding]:
    """After `elf_validity_check` and `setup_load_info`."""
    for sentence in file.damage:
        yield Finding("file", Mark.REFUSES, sentence, "ENOEXEC")


def _machine(file: FileFacts, info: ModuleInfo, reference: Reference | None) -> Iterator[Finding]:
    words = f"{info.machine}, {file.bits} bit, {'little' if file.little_endian else 'big'}-endian"
    if reference is None:
        told = f"It is for {words}; what this kernel is for is not known."
        yield Finding("machine", Mark.UNKNOWN, told)
        return
    kernel = (reference.machine, reference.bits, reference.little_endian)
    if (info.machine, file.bits, file.little_endian) == kernel:
        yield Finding("machine", Mark.FINE, f"It is for this machine: {words}.")
        return
    end = "little" if reference.little_endian else "big"
    theirs = f"{reference.machine}, {reference.bits} bit, {end}-endian"
    yield Finding(
        "machine",
        Mark.REFUSES,
        f"It is for another machine: {words}. This kernel is for {theirs}.",
        "ENOEXEC",
        "Find or build the one for this machine.",
    )


def _blacklists(name: str, kernel: KernelFacts) -> Iterator[Finding]:
    """After `blacklisted`; a blacklist of modprobe.d stops aliases and nothing else."""
    if kernel.forbidden:
        yield Finding(
            "blacklist",
            Mark.REFUSES,
            f"The kernel was started with module_blacklist= for {name}.",
            "EPERM",
            "Take it from the boot line, and reboot.",
        )
    if kernel.rules:
        yield Finding(
            "blacklist",
            Mark.NOTE,
            f"modprobe.d has rules for {name}; loading the file with insmod passes them by.",
            lines=kernel.rules,
        )


def _layout(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    """After `check_modstruct_version`, and the size of `struct module` since Linux 6.4."""
    reference = kernel.reference
    if reference is None:
        return
    has = bool(file.symbols and file.symbols.versions)
    ours = file.symbols.versions.get("module_layout") if file.symbols else None
    if compares_checksums(reference.vermagic) and file.symbols is not None:
        if not has:
            yield _forced("It has no checksums of symbols, which this kernel compares", kernel)
        elif ours is not None and reference.layout is not None and ours != reference.layout:
            yield Finding(
                "layout",
                Mark.REFUSES,
                "It was built for other structures in memory: another configuration or compiler "
                f"(module_layout is 0x{ours:08x}, this kernel's 0x{reference.layout:08x}).",
                "ENOEXEC",
                _REBUILD,
            )
            return
    if file.struct_size is not None and reference.struct_size not in (None, file.struct_size):
        yield Finding(
            "layout",
            Mark.REFUSES if ours is None else Mark.UNKNOWN,
            f"Its struct module has {file.struct_size:,} bytes, this kernel's "
            f"{reference.struct_size:,}: it was built for another configuration.",
            "ENOEXEC" if ours is None else "",
            _REBUILD,
        )


def _forced(what: str, kernel: KernelFacts) -> Finding:
    """After `try_to_force_load`: some kernels take what lacks a proof, and say so."""
    if kernel.options is None:
        told = f"{what}. Whether it takes the module all the same is not known."
        return Finding("vermagic", Mark.UNKNOWN, told, remedy=_REBUILD)
    if kernel.options.get("MODULE_FORCE_LOAD") == "y":
        told = f"{what}. It takes the module all the same, and taints itself (F)."
        return Finding("vermagic", Mark.NOTE, told, remedy=_REBUILD)
    return Finding("vermagic", Mark.REFUSES, f"{what}.", "ENOEXEC", _REBUILD)


def _compared(
    file: FileFacts, info: ModuleInfo, reference: Reference | None
) -> VermagicComparison | None:
    if reference is None or not info.vermagic:
        return None
    has = bool(file.symbols and file.symbols.versions)
    return compare_vermagic(info.vermagic, reference.vermagic, has_checksums=has)


def _vermagic(
    info: ModuleInfo, kernel: KernelFacts, compared: VermagicComparison | None
) -> Iterator[Finding]:
    """After `check_modinfo`."""
    if kernel.reference is None:
        yield Finding(
            "vermagic",
            Mark.UNKNOWN,
            "This kernel's version magic is not known: no module of it can be read"
            + (f" in /lib/modules/{kernel.release}." if kernel.release else "."),
        )
    elif compared is None:
        yield _forced("It has no version magic", kernel)
    elif not compared.accepted:
        ours = " ".join(word.text for word in compared.module if word.differs)
        theirs = " ".join(word.text for word in compared.kernel if word.differs)
        what = f"{ours or 'nothing'} where this kernel has {theirs or 'nothing'}"
        yield Finding(
            "vermagic",
            Mark.REFUSES,
            f"It was built for another kernel: {what}.",
            "ENOEXEC",
            _REBUILD,
            (info.vermagic, kernel.reference.vermagic),
        )
    elif compared.release_ignored:
        yield Finding(
            "vermagic",
            Mark.NOTE,
            f"It was built for {compared.module[0].text}: this kernel compares the checksums of "
            "symbols in place of the release.",
            lines=(info.vermagic, kernel.reference.vermagic),
        )
    else:
        yield Finding("vermagic", Mark.FINE, f"It was built for this kernel: {info.vermagic}.")


def _presence(name: str, kernel: KernelFacts) -> Iterator[Finding]:
    """After `add_unformed_module` and `mod_sysfs_init`."""
    if name in kernel.loaded:
        yield Finding(
            "presence",
            Mark.REFUSES,
            f"{name} is loaded already.",
            "EEXIST",
            f"Unload {name} first, or reload it.",
        )
    elif kernel.present:
        yield Finding(
            "presence", Mark.REFUSES, f"{name} is built into this kernel already.", "EINVAL"
        )


def _licence(info: ModuleInfo) -> Iterator[Finding]:
    if info.license not in GPL_LICENSES:
        licence = info.license or "no licence"
        yield Finding(
            "licence",
            Mark.NOTE,
            f"Its licence is {licence}: that taints the kernel (P) and keeps GPL-only symbols "
            "from it.",
        )


def _duplicates(kernel: KernelFacts) -> Iterator[Finding]:
    """After `verify_exported_symbols`."""
    if kernel.duplicates:
        count = counted(len(kernel.duplicates), "symbol")
        yield Finding(
            "duplicates",
            Mark.REFUSES,
            f"It exports {count} that {'is' if len(kernel.duplicates) == 1 else 'are'} there "
            "already.",
            "ENOEXEC",
            "The same code is loaded or built in under another name.",
            tuple(f"{symbol}: {owner}" for symbol, owner in sorted(kernel.duplicates.items())),
        )
