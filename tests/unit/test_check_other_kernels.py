"""Checks of module files for kernels and builds that differ from Debian's."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.module_file.symvers import parse_symvers
from kmodtui.model.check.check import Check, Mark, Verdict
from kmodtui.model.check.symbols import version_of
from kmodtui.model.check.vermagic import compare_vermagic, difference_words
from kmodtui.services.check import check_file
from tests.support.elf import AARCH64, X86_64, make_module
from tests.support.tiny_system import RELEASE, STRUCT, VERMAGIC, modinfo, tiny_system, write

I386, ARM, PPC64 = 3, 40, 21
CRC = 0x11
KALLSYMS = "1 T _stext\n2 T printk\n3 R __start___ksymtab\n4 r __ksymtab_printk\n" + (
    "5 r __ksymtab_for_kvm\n6 r __ksymtab_dma_get\n7 R __start___ksymtab_gpl\n8 r __ksymtab_g\n"
)
SYMVERS = (
    f"0x{CRC:08x}\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n"
    "0x00000022\tdma_get\tvmlinux\tEXPORT_SYMBOL\tDMA_BUF\n"
    "0x00000033\tfor_kvm\tvmlinux\tEXPORT_SYMBOL\tmodule:kvm,kvm-*,exact\n"
)
VERSIONED = VERMAGIC.rstrip() + " modversions "
CONFIG = "CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\n"


def system(
    folder: Path, *, machine: int = X86_64, release: str = RELEASE, config: str = CONFIG
) -> LocalHost:
    reference = make_module(
        modinfo("reference", vermagic=VERSIONED),
        versions={"module_layout": 1, "printk": CRC},
        machine=machine,
        extra=STRUCT,
        bits=32 if machine in (I386, ARM) else 64,
    )
    host = tiny_system(
        folder, {"reference": reference}, loaded={"reference": ()}, kallsyms=KALLSYMS
    )
    write(host, f"/boot/config-{release}", config)
    write(host, f"/usr/src/linux-headers-{release}/Module.symvers", SYMVERS)
    return host


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return system(tmp_path)


def extended(versions: Mapping[str, int], names: bytes | None = None) -> dict[str, bytes]:
    """The sections of CONFIG_EXTENDED_MODVERSIONS."""
    crcs = struct.pack(f"<{len(versions)}I", *versions.values())
    listed = b"".join(name.encode() + b"\0" for name in versions)
    return {
        "__version_ext_crcs": crcs,
        "__version_ext_names": listed if names is None else names,
    }


def fresh(
    *imports: str,
    name: str = "fresh",
    more: tuple[bytes, ...] = (),
    vermagic: str = VERSIONED,
    basic: Mapping[str, int] | None = None,
    extra: Mapping[str, bytes] | None = None,
    machine: int = X86_64,
) -> bytes:
    return make_module(
        modinfo(name, *more, vermagic=vermagic),
        imports=imports,
        versions=basic if basic is not None else {"module_layout": 1},
        extra={**STRUCT, **(extra or {})},
        machine=machine,
        bits=32 if machine in (I386, ARM) else 64,
    )


def checked(host: LocalHost, data: bytes, name: str = "fresh.ko") -> Check:
    return check_file(host, write(host, f"/tmp/{name}", data))


# Extended symbol checksums, since Linux 6.14

GOOD = {"module_layout": 1, "printk": CRC}
OTHER = VERSIONED.replace(RELEASE, "6.1.0-other")


@pytest.mark.parametrize(
    ("vermagic", "basic", "ext", "verdict", "errno"),
    [
        (VERSIONED, {}, GOOD, Verdict.LOADS, ""),
        (OTHER, {}, GOOD, Verdict.REFUSED, "ENOEXEC"),  # only __versions lets it differ
        (OTHER, GOOD, GOOD, Verdict.LOADS, ""),
        (OTHER, GOOD, None, Verdict.LOADS, ""),
        (VERSIONED, {**GOOD, "printk": 9}, GOOD, Verdict.LOADS, ""),  # the extended one counts
        (VERSIONED, GOOD, {**GOOD, "printk": 9}, Verdict.REFUSED, "EINVAL"),
    ],
)
def test_extended_checksums_alone_do_not_let_the_release_differ(
    host: LocalHost,
    vermagic: str,
    basic: dict[str, int],
    ext: dict[str, int] | None,
    verdict: Verdict,
    errno: str,
) -> None:
    data = fresh("printk", vermagic=vermagic, basic=basic, extra=extended(ext) if ext else {})
    check = checked(host, data)
    assert (check.verdict, check.errno) == (verdict, errno), check.sentence


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"__version_ext_crcs": bytes(4)}, "only one of the two sections"),
        ({"__version_ext_names": b"printk\0"}, "only one of the two sections"),
        (extended(GOOD, b"module_layout\0"), "more extended symbol checksums than names"),
        (extended(GOOD, b"module_layout\0prin"), "more extended symbol checksums than names"),
    ],
)
def test_damaged_extended_checksums_are_refused(
    host: LocalHost, sections: dict[str, bytes], told: str
) -> None:
    check = checked(host, fresh("printk", basic={}, extra=sections))
    assert (check.verdict, check.errno) == (Verdict.REFUSED, "ENOEXEC")
    assert any(told in finding.text for finding in check.because)


# Namespaces


@pytest.mark.parametrize(
    ("release", "namespace", "told"),
    [
        ("6.1.0-test", b'"DMA_BUF"', "For this kernel, write MODULE_IMPORT_NS(DMA_BUF)."),
        ("6.13.1", b'"DMA_BUF"', 'with this kernel\'s, and write MODULE_IMPORT_NS("DMA_BUF").'),
        ("6.1.0-test", b"OTHER", "Add MODULE_IMPORT_NS(DMA_BUF) to its source."),
        ("6.13.1", b"OTHER", 'Add MODULE_IMPORT_NS("DMA_BUF") to its source.'),
        ("6.12.9", b"OTHER", "Add MODULE_IMPORT_NS(DMA_BUF) to its source."),
    ],
)
def test_the_remedy_for_a_namespace_is_that_of_the_kernels_version(
    tmp_path: Path, release: str, namespace: bytes, told: str
) -> None:
    host = system(tmp_path, release=release)
    data = fresh("dma_get", more=(b"import_ns=" + namespace,))
    check = check_file(host, write(host, "/tmp/fresh.ko", data), release=release)
    finding = next(each for each in check.findings if each.topic == "namespaces")
    assert (finding.errno, finding.remedy.endswith(told)) == ("EINVAL", True), finding


@pytest.mark.parametrize("name", ["kvm", "kvm_amd", "kvm-intel", "exact"])
def test_a_symbol_for_named_modules_is_for_these(host: LocalHost, name: str) -> None:
    assert checked(host, fresh("for_kvm", name=name)).verdict is Verdict.LOADS


@pytest.mark.parametrize("name", ["kvmgt", "exactly", "akvm", "other"])
def test_and_for_no_other_module(host: LocalHost, name: str) -> None:
    check = checked(host, fresh("for_kvm", name=name))
    assert (check.verdict, check.errno) == (Verdict.REFUSED, "EINVAL")
    assert "no change of the module's source helps" in check.because[0].remedy
    assert check.because[0].lines == ("for_kvm: only for kvm, kvm-*, exact, from the kernel",)


@pytest.mark.parametrize(
    ("imports", "release", "errno"),
    [(("for_kvm",), RELEASE, "EPERM"), ((), "6.16.0", "EPERM"), ((), "6.15.0", "")],
)
def test_nobody_imports_the_namespace_of_named_modules(
    tmp_path: Path, imports: tuple[str, ...], release: str, errno: str
) -> None:
    host = system(tmp_path, release=release)
    data = fresh(*imports, name="kvm_amd", more=(b"import_ns=module:kvm,kvm-*",))
    check = check_file(host, write(host, "/tmp/kvm_amd.ko", data), release=release)
    refused = [each.errno for each in check.findings if each.topic == "namespaces"]
    assert refused == ([errno] if errno else [])


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.13.2-arch1-1", (6, 13)), ("5.4", (5, 4)), ("next-2025", (0, 0)), ("", (0, 0))],
)
def test_versions_of_releases(release: str, version: tuple[int, int]) -> None:
    assert version_of(release) == version


# Symbols that the kernel resolves itself


@pytest.mark.parametrize(
    ("machine", "symbol", "resolved"),
    [
        (X86_64, "_GLOBAL_OFFSET_TABLE_", True),
        (I386, "_GLOBAL_OFFSET_TABLE_", True),
        (ARM, "_GLOBAL_OFFSET_TABLE_", False),
        (AARCH64, "_GLOBAL_OFFSET_TABLE_", False),
        (PPC64, ".TOC.", True),
        (X86_64, ".TOC.", False),
    ],
)
def test_what_the_loader_resolves_depends_on_the_architecture(
    tmp_path: Path, machine: int, symbol: str, resolved: bool
) -> None:
    check = checked(system(tmp_path, machine=machine), fresh("printk", symbol, machine=machine))
    assert (check.verdict is Verdict.LOADS) is resolved, check.sentence
    if symbol.startswith("_GLOBAL") and not resolved:
        assert "position-independent code" in check.sentence
        assert check.because[0].remedy == "Build it with -fno-pic."


# Type information


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("CONFIG_DEBUG_INFO_BTF_MODULES=y\n", "the kernel refuses it"),
        (
            "CONFIG_DEBUG_INFO_BTF_MODULES=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n",
            "this kernel only logs a warning",
        ),
        ("", ""),
    ],
)
def test_type_information_of_another_build_is_mentioned(
    tmp_path: Path, config: str, told: str
) -> None:
    host = system(tmp_path, config=CONFIG + config)
    check = checked(host, fresh("printk", extra={".BTF": bytes(2048)}))
    notes = [finding for finding in check.findings if finding.topic == "BTF"]
    assert check.verdict is Verdict.LOADS
    assert [finding.mark for finding in notes] == ([Mark.NOTE] if told else [])
    assert all("2.0 KiB" in finding.text and told in finding.text for finding in notes)
    assert not [f for f in checked(host, fresh("printk")).findings if f.topic == "BTF"]


# xz files that the kernel decompresses itself


@pytest.mark.parametrize(
    ("unpacks", "check", "verdict"),
    [
        ("xz", lzma.CHECK_CRC32, Verdict.LOADS),
        ("xz", lzma.CHECK_NONE, Verdict.LOADS),
        ("xz", lzma.CHECK_CRC64, Verdict.REFUSED),
        ("xz", lzma.CHECK_SHA256, Verdict.REFUSED),
        ("gzip", lzma.CHECK_CRC64, Verdict.UNKNOWN),  # kmod has to decompress it
    ],
)
def test_a_kernel_that_decompresses_xz_accepts_crc32_only(
    host: LocalHost, unpacks: str, check: int, verdict: Verdict
) -> None:
    write(host, "/sys/module/compression", f"{unpacks}\n")
    packed = lzma.compress(fresh("printk"), check=check)
    found = checked(host, packed, "fresh.ko.xz")
    assert found.verdict is verdict
    if verdict is Verdict.REFUSED:
        assert found.errno == "EINVAL"
        assert "xz --check=crc32" in found.because[0].remedy


# Debug files, and Module.symvers of other versions


def test_a_separate_debug_file_is_called_that(host: LocalHost) -> None:
    path = write(host, "/tmp/net.ko.debug", make_module(modinfo("net"), debug=True))
    with pytest.raises(ModuleFileError, match=r"is a debug file: .* of net\."):
        read_module_file(host, path)
    check = check_file(host, path)
    assert (check.verdict, check.errno) == (Verdict.REFUSED, "ENOEXEC")
    assert "debug file" in check.sentence


@pytest.mark.parametrize(
    ("line", "module", "namespace", "gpl_only"),
    [
        (b"0x1\tf\tvmlinux\tEXPORT_SYMBOL", "", "", False),
        (b"0x1\tf\tdrivers/net/tun\tEXPORT_SYMBOL_GPL", "tun", "", True),
        (b"0x1\tf\tvmlinux\tEXPORT_SYMBOL_GPL\tNS", "", "NS", True),
        (b"0x1\tf\tNS\tdrivers/x/y\tEXPORT_SYMBOL", "y", "NS", False),  # Linux 5.4
        (b"0x1\tf\t\tvmlinux\tEXPORT_SYMBOL_GPL", "", "", True),
        (b"0x1\tf\tvmlinux\tEXPORT_SYMBOL_GPL_FUTURE", "", "", False),
        (b"0x1\tf\tvmlinux\tEXPORT_UNUSED_SYMBOL_GPL", "", "", True),
    ],
)
def test_module_symvers_of_other_versions(
    line: bytes, module: str, namespace: str, gpl_only: bool
) -> None:
    (found,) = parse_symvers(line + b"\n").values()
    assert found.module == module
    assert (found.export.namespace, found.export.gpl_only) == (namespace, gpl_only)


@pytest.mark.parametrize(
    ("filters", "verdict"),
    [
        ([{"id": lzma.FILTER_LZMA2, "dict_size": 8 << 20}], Verdict.LOADS),
        ([{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}], Verdict.LOADS),
        (
            [{"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_LZMA2, "preset": 1}],
            Verdict.REFUSED,
        ),
    ],
)
def test_a_kernel_that_decompresses_xz_has_no_delta_filter(
    host: LocalHost, filters: list[dict[str, int]], verdict: Verdict
) -> None:
    write(host, "/sys/module/compression", "xz\n")
    module = make_module(modinfo("fresh", vermagic=VERSIONED), extra=STRUCT, versions={"printk": 1})
    packed = lzma.compress(module, check=lzma.CHECK_CRC32, filters=filters)
    found = checked(host, packed, "fresh.ko.xz")
    assert found.verdict is verdict, found.because


def test_a_loaded_module_of_another_release_shows_what_the_kernel_is(tmp_path: Path) -> None:
    other = VERSIONED.replace(RELEASE, "6.0.0-built-before")
    reference = make_module(
        modinfo("reused", vermagic=other), versions={"module_layout": 1}, extra=STRUCT
    )
    host = tiny_system(tmp_path, {"reused": reference}, loaded={"reused": ()}, kallsyms=KALLSYMS)
    found = checked(host, make_module(modinfo("fresh", vermagic=VERSIONED), extra=STRUCT), "f.ko")
    assert found.vermagic is not None
    assert found.vermagic.kernel[0].text == RELEASE


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("6.1+debug SMP", "6.1 SMP", " It is for a debug kernel."),
        ("6.1 SMP", "6.1+debug SMP", " This is a debug kernel."),
        (
            "4.4-v7+ SMP ARMv7",
            "4.4+ ARMv6",
            " It is for a kernel for several processors (SMP) and a kernel for ARMv7. This is a "
            "kernel for ARMv6.",
        ),
        ("6.1 SMP preempt", "6.1 SMP preempt_rt", " It is for a preemptible kernel. "
         "This is a real-time kernel."),
        ("6.1 SMP", "6.2 SMP", ""),
    ],
)  # fmt: skip
def test_words_of_a_version_magic_have_a_meaning(ours: str, theirs: str, said: str) -> None:
    assert difference_words(compare_vermagic(ours, theirs, has_checksums=False)) == said
