"""Symbols between modules against readelf, depmod's index, and the kernel's own addresses."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.model.graph import direct
from kmodtui.model.linkage import ProviderKind, kernel_exports
from kmodtui.services.linkage import Linkage
from tests.kernel.image import Image
from tests.kernel.vm import VM

EDGES = 40


@pytest.fixture(scope="module")
def index(debian: Image) -> ModuleIndex:
    return read_index(LocalHost(debian.tree), debian.release)


def rows(file: Path) -> list[list[str]]:
    """What readelf says of each symbol: number, value, size, type, bind, vis, section, name."""
    printed = subprocess.run(
        ["readelf", "--symbols", "--wide", file], capture_output=True, text=True, check=True
    ).stdout
    table = (line.split(maxsplit=7) for line in printed.splitlines() if re.match(r" *\d+: ", line))
    return [row for row in table if len(row) == 8]


def undefined(file: Path) -> set[str]:
    return {row[7] for row in rows(file) if row[6] == "UND"}


def exported(file: Path) -> set[str]:
    prefix = "__ksymtab_"
    return {row[7].removeprefix(prefix) for row in rows(file) if row[7].startswith(prefix)}


def test_edges_are_those_that_readelf_and_depmod_know(debian: Image, index: ModuleIndex) -> None:
    host = LocalHost(debian.tree)
    linkage = Linkage(host, index, running=False)
    users = [name for name in index.names if index.dependencies(name)]
    chosen = [
        (user, giver)
        for user in ["btrfs", "vfat", *random.Random(7).sample(users, EDGES)]
        for giver in direct(index.dependencies, user)
    ]
    assert len(chosen) >= 20
    listed = host.read(f"{index.folder}/modules.symbols").decode().splitlines()
    for user, giver in chosen:
        files = [Path(f"{debian.tree}{index.path_of(name)}") for name in (user, giver)]
        edge = linkage.edge(user, giver)
        found = {taken.wanted.name for taken in edge.symbols}
        assert found == undefined(files[0]) & exported(files[1]), (user, giver)
        assert found, (user, giver)
        assert not edge.problems
        for name in found:
            assert f"alias symbol:{name} {giver}" in listed


def test_everything_that_is_taken_has_a_giver_and_everything_given_its_place(
    debian: Image, index: ModuleIndex
) -> None:
    linkage = Linkage(LocalHost(debian.tree), index, running=False)
    for name in ["btrfs", "drm", "usb_storage", "ext4"]:
        file = Path(f"{debian.tree}{index.path_of(name)}")
        found = linkage.of(name)
        assert {taken.wanted.name for taken in found.imports} == undefined(file)
        needed = set(index.dependencies(name))
        assert set(found.providers) <= needed
        assert set(direct(index.dependencies, name)) <= set(found.providers)
        # Whose kernel does not run here may be the kernel's own, or nobody's.
        others = {t.provider for t in found.imports if not t.module}
        assert others == {ProviderKind.UNKNOWN}
        assert {given.export.name for given in found.exports} == exported(file)
        sizes = {row[7]: int(row[2], 0) for row in rows(file)}
        for given in found.exports:
            assert given.export.size == sizes[given.export.name]


def test_what_the_kernel_exports_is_read_from_the_order_of_its_symbols(vm: VM) -> None:
    """Its order tells an ordinary user what addresses tell root."""
    hidden = vm.read("guest", "/proc/kallsyms")
    assert hidden.count(b"\n0000000000000000 ") > 100_000
    ours = kernel_exports(parse_symbols(hidden).core)
    addresses = {}
    for line in vm.read("root", "/proc/kallsyms").decode().splitlines():
        if "\t" not in line:
            address, _, name = line.split(" ", 2)
            addresses[name] = int(address, 16)
    begin, end = addresses["__start___ksymtab_gpl"], addresses["__stop___ksymtab_gpl"]
    entries = {n: a for n, a in addresses.items() if n.startswith("__ksymtab_")}
    assert ours.names == {name.removeprefix("__ksymtab_") for name in entries}
    for_gpl = {name.removeprefix("__ksymtab_") for name, a in entries.items() if begin <= a < end}
    assert ours.gpl_only == for_gpl
    assert len(for_gpl) > 1000
    assert ours.complete
    assert ours.knows_licences


def test_a_loaded_module_tells_who_uses_what_it_gives(vm: VM) -> None:
    vm.run("root", ["modprobe", "btrfs"], check=True)
    xor = json.loads(vm.kmodtui("guest", "linkage", "xor", "--json", check=True).stdout)
    assert {export["name"]: export["importers"] for export in xor["exports"]} == {
        "xor_blocks": ["btrfs"]
    }
    assert {symbol["provider_kind"] for symbol in xor["imports"]} == {"kernel"}
    between = vm.kmodtui("guest", "linkage", "btrfs", "xor", check=True).stdout
    assert between.splitlines()[0] == "btrfs imports 1 symbol from xor."
    assert between.split()[6:9] == ["xor_blocks", "xor", "EXPORT_SYMBOL"]
