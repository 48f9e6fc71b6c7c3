"""The catalog against modinfo and modprobe, on Debian's kernel: every module, every field."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.model.catalog_entry import Catalog
from kmodtui.model.fuzzy import Rank, SearchIndex
from kmodtui.services.catalog.cache import CatalogCache
from kmodtui.services.catalog.catalog import read_catalog
from kmodtui.services.picker.matching import answer_modules
from tests.kernel.image import Image, kmod


@pytest.fixture(scope="module")
def index(debian: Image) -> ModuleIndex:
    return read_index(LocalHost(debian.tree), debian.release)


@pytest.fixture(scope="module")
def catalog(debian: Image) -> Catalog:
    return read_catalog(LocalHost(debian.tree), debian.release)


def modinfo(index: ModuleIndex, field: str, names: list[str]) -> list[str]:
    files = [index.host.locate(index.path_of(name) or "") for name in names]
    told = subprocess.run([*kmod("modinfo"), "-F", field, *files], capture_output=True, check=True)
    return told.stdout.decode().splitlines()


@pytest.mark.parametrize("field", ["description", "license", "version", "firmware", "signer"])
def test_each_field_is_that_of_modinfo(index: ModuleIndex, catalog: Catalog, field: str) -> None:
    entries = [entry for entry in catalog.entries if not entry.builtin]
    assert len(entries) > 3000
    if field in ("description", "license"):
        # Of several the kernel looks at the first; modinfo prints them all.
        entries = [e for e in entries if len(index.read_info(e.name).texts(field)) < 2]
    ours: list[str] = []
    for entry in entries:
        value = getattr(entry, field)
        ours += [value] if isinstance(value, str) else value
    theirs = modinfo(index, field, [entry.name for entry in entries])
    # A few descriptions end in a line end, or have one inside.
    assert " ".join(ours).split() == " ".join(theirs).split()


def test_nothing_could_not_be_read_and_all_came_with_the_kernel(catalog: Catalog) -> None:
    assert [entry.problem for entry in catalog.entries if entry.problem] == []
    assert [entry.name for entry in catalog.entries if entry.external] == []
    assert [entry.name for entry in catalog.entries if not entry.category] == []
    assert {entry.intree for entry in catalog.entries} == {True}


def test_every_name_is_found_first_by_itself_and_by_its_files_name(
    index: ModuleIndex, catalog: Catalog
) -> None:
    haystack = SearchIndex(catalog.entries)
    for entry in catalog.entries:
        [first, *_] = haystack.search(entry.name)
        assert (haystack.entries[first.place].name, first.rank) == (entry.name, Rank.NAME)
    for entry in catalog.entries[::50]:
        if entry.file:
            assert answer_modules(haystack, index, entry.file).entries[0] == entry


def test_what_is_kept_says_the_same(debian: Image, catalog: Catalog, tmp_path: Path) -> None:
    cache = CatalogCache(tmp_path)
    host = LocalHost(debian.tree)
    read_catalog(host, debian.release, cache, worth_keeping=0)
    opened: list[str] = []

    class Watched(LocalHost):
        def open(self, path: str):  # type: ignore[no-untyped-def]
            opened.append(path)
            return super().open(path)

    assert read_catalog(Watched(debian.tree), debian.release, cache) == catalog
    assert opened == []
