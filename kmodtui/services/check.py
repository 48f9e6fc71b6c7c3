"""Checks a module file before it is loaded: reads the facts and evaluates them.

Nothing is loaded, and no root privileges are needed. It can take a few seconds if modules
are compressed and symbol checksums have to be searched, so call `check_file` off the event
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.build_config import read_build_config
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.kernel.module_file.btf import MAX_SIZE, VMLINUX, compare_btf
from kmodtui.kernel.module_file.checked import read_file_facts, struct_size
from kmodtui.kernel.module_file.compression import packing_of, unpacked_by_kernel
from kmodtui.kernel.module_file.elf_file import opened
from kmodtui.kernel.module_file.info import module_info
from kmodtui.kernel.module_file.signing_key import (
    PublicKey,
    can_verify,
    read_built_in_key,
    signature_fits,
)
from kmodtui.kernel.module_file.symbols import read_versions
from kmodtui.kernel.module_file.symvers import Symvers, read_symvers
from kmodtui.kernel.proc_modules import has_module_support, read_modules
from kmodtui.kernel.sysfs import read_live_module
from kmodtui.kernel.system import read_system
from kmodtui.model.check.check import BtfFit, Candidate, Check, FileFacts, KernelFacts, Reference
from kmodtui.model.check.module import check_module
from kmodtui.model.linkage import ModuleSymbols, ProviderKind, ResolvedImport
from kmodtui.model.modules import ModuleTable, canonical
from kmodtui.services.linkage import Linkage, linkage

if TYPE_CHECKING:
    from kmodtui.services.machine import Machine

MOST_FILES = 10_000
"""Most module files that are read to find symbol checksums: 0.2 ms each."""

MOST_PACKED_FILES = 300
"""The same if modules are compressed, which takes a hundred times as long."""

_TRIED = 20  # modules, until one can be read to compare with


async def check(machine: Machine, path: str) -> Check:
    """Return whether the machine's kernel would load the file at `path` on that machine.

    Raises:
        UnreadableError: the file does not exist or is not readable.
    """
    return await asyncio.to_thread(
        lambda: check_file(machine.host, path, release=machine.release, known=linkage(machine))
    )


def check_file(
    host: Host,
    path: str,
    *,
    release: str = "",
    files: Host | None = None,
    known: Linkage | None = None,
) -> Check:
    """Return whether a kernel would load the file at `path`.

    Args:
        host: the system with the kernel.
        path: the module file.
        release: the kernel release; empty for the running one.
        files: the system that has the file; `host` if None.
        known: the linkage of that system, if it has been read before.

    Raises:
        UnreadableError: the file does not exist or is not readable.
    """
    file = read_file_facts(files or host, path)
    running = read_system(host).release or ""
    release = release or running
    if known is None:
        known = Linkage(host, _index(host, release), running=release == running)
    facts = _Surroundings(host, release, known, release == running).facts(file)
    fits = _signature_fits(host, files or host, file, release)
    btf = _btf(host, files or host, file) if release == running else None
    return check_module(file, replace(facts, signature_fits=fits, btf=btf))


class _Surroundings:
    """The kernel that a file is checked for, with its modules and its configuration."""

    def __init__(self, host: Host, release: str, known: Linkage, running: bool) -> None:
        self._host = host
        self._release = release
        self._running = running
        self._linkage = known
        self._index = known.index
        self._table = _loaded(host) if running else ModuleTable()

    def facts(self, file: FileFacts) -> KernelFacts:
        """Return the facts that matter for a file."""
        system = read_system(self._host)
        info, symbols = file.info, file.symbols
        name = canonical(info.text("name") or info.name) if info else canonical(file.path)
        config = read_modprobe_config(self._host, *(self._index.folders if self._index else ()))
        rules = (config.blacklisted(name), config.install(name))
        facts = KernelFacts(
            release=self._release,
            running=self._running,
            reference=self._reference(),
            options=read_build_config(self._host, self._release, running=self._running),
            rules=tuple(str(rule) for rule in rules if rule),
            packings=self._packings(),
            unpacks=unpacked_by_kernel(self._host) if self._running else None,
        )
        if self._running:
            facts = replace(
                facts,
                lockdown=system.lockdown,
                sig_enforce=system.sig_enforce,
                modules_disabled=bool(system.modules_disabled),
                has_modules=has_module_support(self._host),
                loaded=frozenset(self._table.by_name),
                present=name not in self._table.by_name
                and read_live_module(self._host, name) is not None,
                blocked=name in config.blocked,
            )
        if symbols is None:
            return facts
        symvers = read_symvers(self._host, self._release)
        owners = self._linkage.owners([export.name for export in symbols.exports])
        return replace(
            facts,
            candidates=self._offers(symbols, symvers, file.path),
            knows_all=self._linkage.knows_all or symvers is not None,
            duplicates={
                symbol: owner or "the kernel" for symbol, owner in owners.items() if owner != name
            },
        )

    # Properties of this kernel's modules

    def _reference(self) -> Reference | None:
        """Return a loaded module, or else any of the release, to compare the file with.

        None if none can be read.
        """
        for name in islice(self._candidates(), _TRIED):
            path = self._index.path_of(name) if self._index else None
            if path is None:
                continue
            try:
                with opened(self._host, path) as elf:
                    info = module_info(elf, path)
                    versions = read_versions(elf)
                    size = struct_size(elf)
            except KmodtuiError:
                continue
            vermagic = self._kernel_vermagic(name, info.vermagic, versions)
            if not vermagic:
                continue
            live = read_live_module(self._host, name) if name in self._table.by_name else None
            if live and live.srcversion and info.srcversion not in ("", live.srcversion):
                continue
            signature = info.signature
            return Reference(
                name,
                live is not None,
                vermagic,
                info.machine,
                elf.header.bits,
                elf.header.little_endian,
                size,
                versions.get("module_layout"),
                signature.signer_name if signature else "",
                signature.key_id if signature else b"",
            )
        return None

    def _kernel_vermagic(self, name: str, vermagic: str, versions: Mapping[str, int]) -> str:
        """Return the kernel's version magic, known from that of a module; empty if it is not.

        A module of another release may be reused: in weak-updates, and on Android. If it is
        loaded, the kernel compared its checksums, and everything else is equal.
        """
        release, _, rest = vermagic.partition(" ")
        if release == self._release:
            return vermagic
        reused = name in self._table.by_name and versions and "modversions" in rest.split()
        return f"{self._release} {rest}" if reused else ""

    def _candidates(self) -> Iterator[str]:
        # Out-of-tree modules may have been built for an older kernel.
        yield from sorted(m.name for m in self._table if "O" not in m.taints)
        yield from self._index.names if self._index else ()

    def _packings(self) -> frozenset[str]:
        found = {""}
        for name in islice(self._candidates(), _TRIED):
            path = self._index.path_of(name) if self._index else None
            try:
                found.add(packing_of(self._host, path) if path else "")
            except KmodtuiError:
                continue
        return frozenset(found)

    # Providers of the file's imports

    def _offers(
        self, symbols: ModuleSymbols, symvers: Symvers | None, path: str
    ) -> dict[str, Candidate]:
        found = {}
        for taken in self._linkage.givers(symbols.imports):
            offer = self._offer(taken, symvers)
            if offer is not None:
                found[taken.wanted.name] = offer
        open_names = {
            wanted.name
            for wanted in symbols.imports
            if wanted.crc is not None and wanted.name in found and found[wanted.name].crc is None
        }
        for name, (crc, source) in self._checksums(open_names, path).items():
            found[name] = replace(found[name], crc=crc, source=source)
        return found

    def _offer(self, taken: ResolvedImport, symvers: Symvers | None) -> Candidate | None:
        name = taken.wanted.name
        built = symvers.exports.get(name) if symvers else None
        if taken.provider not in (ProviderKind.KERNEL, ProviderKind.MODULE):
            if built is None or symvers is None:
                return None
            # The kernel is not running, so only its build data are available.
            there = not built.module or built.module in self._table.by_name
            export = built.export
            return Candidate(
                built.module, there, export.gpl_only, export.namespace, export.crc, symvers.path
            )
        offer = Candidate(taken.module, not taken.module or taken.module in self._table.by_name)
        if (given := taken.export) is not None:
            offer = replace(offer, gpl_only=given.gpl_only)
            if taken.provider is ProviderKind.MODULE:
                source = f"the file of {taken.module}"
                offer = replace(offer, namespace=given.namespace, crc=given.crc, source=source)
        if built is not None and symvers is not None and built.module == taken.module:
            offer = replace(offer, namespace=built.export.namespace)
            if offer.gpl_only is None:
                offer = replace(offer, gpl_only=built.export.gpl_only)
            if offer.crc is None:
                offer = replace(offer, crc=built.export.crc, source=symvers.path)
        return offer

    def _checksums(self, names: set[str], own: str) -> dict[str, tuple[int, str]]:
        """Return the checksums that other modules were built against, and their sources.

        Loaded modules come first, because the kernel has verified their checksums; the others
        were built together with it. The checked file itself, at `own`, is skipped.
        """
        found: dict[str, tuple[int, str]] = {}
        most = MOST_FILES if self._packings() == {""} else MOST_PACKED_FILES
        for name in islice(dict.fromkeys(self._candidates()), most):
            if not names:
                break
            path = self._index.path_of(name) if self._index else None
            if path in (None, own):
                continue
            try:
                with opened(self._host, path) as elf:
                    versions = read_versions(elf)
            except KmodtuiError:
                continue
            for symbol in names.intersection(versions):
                found[symbol] = (versions[symbol], f"the file of {name}")
            names = names.difference(found)
        return found


_keys: dict[tuple[str, str, bytes], PublicKey | None] = {}
"""Keys that were looked up, by system, release and serial number: it takes a second each."""


def _signature_fits(host: Host, files: Host, file: FileFacts, release: str) -> bool | None:
    signature = file.info.signature if file.info else None
    sound = file.seal.marked and file.seal.supported and not file.seal.fault
    if signature is None or not sound or not can_verify(signature):
        return None
    asked = (host.locate("/"), release, signature.key_id)
    if asked not in _keys:
        _keys[asked] = read_built_in_key(host, release, signature.key_id)
    key = _keys[asked]
    try:
        return key and signature_fits(files, file.path, file.seal.content, signature, key)
    except KmodtuiError:
        return None


def _btf(host: Host, files: Host, file: FileFacts) -> BtfFit | None:
    """Return how a file's type information fits the running kernel's; None if unknown.

    Kernels adapt that of modules that bring a .BTF.base of their own.
    """
    if not file.btf or file.damage:
        return None
    try:
        kernel = host.read(VMLINUX, MAX_SIZE)
        with opened(files, file.path) as elf:
            if elf.find(b".BTF.base") is not None:
                return None
            return compare_btf(elf.content(elf.find(b".BTF")), kernel)
    except (KmodtuiError, OSError):
        return None


def _index(host: Host, release: str) -> ModuleIndex | None:
    try:
        return read_index(host, release)
    except KmodtuiError:
        return None


def _loaded(host: Host) -> ModuleTable:
    try:
        return read_modules(host)
    except KmodtuiError:
        return ModuleTable()
