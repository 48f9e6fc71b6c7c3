"""The checks of a module file: one fact is changed at a time, and decides the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kmodtui.model.check.check import (
    Candidate,
    Check,
    FileFacts,
    KernelFacts,
    Mark,
    Reference,
    SignatureBlock,
    Verdict,
)
from kmodtui.model.check.module import check_module
from kmodtui.model.check.vermagic import compare_vermagic
from kmodtui.model.linkage import Import, ModuleSymbols
from kmodtui.model.module_info import ModuleInfo, Signature

VERMAGIC = "6.1.0-56-amd64 SMP preempt mod_unload modversions"
SIGNED = Signature("PKCS#7", b"Build key", b"\x01\x02", "sha256", b"s" * 256)


def modinfo(**fields: str) -> bytes:
    given = {"license": "GPL", "name": "hello", "vermagic": f"{VERMAGIC} ", **fields}
    return b"\0".join(f"{key}={value}".encode() for key, value in given.items() if value)


def info(
    signature: Signature | None = SIGNED, machine: str = "x86_64", **fields: str
) -> ModuleInfo:
    return ModuleInfo("hello", "/tmp/hello.ko", modinfo(**fields), signature, machine)


def symbols(*imports: Import, layout: int | None = 7) -> ModuleSymbols:
    versions = {wanted.name: wanted.crc for wanted in imports if wanted.crc is not None}
    if layout is not None:
        versions["module_layout"] = layout
    return ModuleSymbols((), imports, versions)


FILE = FileFacts(
    "/tmp/hello.ko",
    info(),
    seal=SignatureBlock(1000, marked=True),
    struct_size=896,
    symbols=symbols(Import("printk", False, 11)),
)
KERNEL = KernelFacts(
    release="6.1.0-56-amd64",
    reference=Reference(
        "ext4", True, VERMAGIC, "x86_64", 64, True, 896, 7, "Build key", b"\x01\x02"
    ),
    options={"MODULES": "y", "MODULE_SIG": "y", "MODULE_FORCE_LOAD": "y"},
    lockdown="none",
    sig_enforce=False,
    candidates={"printk": Candidate("", True, False, None, 11, "the file of ext4")},
)


def asked(file: FileFacts = FILE, kernel: KernelFacts = KERNEL) -> Check:
    return check_module(file, kernel)


def test_a_module_of_this_kernel_will_load() -> None:
    check = asked()
    assert check.verdict is Verdict.LOADS
    assert check.sentence == "It will load."
    assert {finding.mark for finding in check.findings} == {Mark.FINE}
    assert (check.name, check.errno, check.because) == ("hello", "", ())


ALLOWING = {"MODULES": "y", "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS": "y"}
UNSIGNED = replace(FILE, info=info(None), seal=SignatureBlock(1000))
FOREIGN = replace(FILE, info=info(replace(SIGNED, key_id=b"\x09")))
OTHER_LAYOUT = replace(FILE, symbols=symbols(Import("printk", False, 11), layout=8))
PROPRIETARY = replace(FILE, info=info(license="Proprietary"))


def offering(**changes: object) -> KernelFacts:
    offer = replace(KERNEL.candidates["printk"], **changes)  # type: ignore[arg-type]
    return replace(KERNEL, candidates={"printk": offer})


@pytest.mark.parametrize(
    ("file", "kernel", "errno", "says"),
    [
        (FILE, replace(KERNEL, modules_disabled=True), "EPERM", "kernel.modules_disabled"),
        (FILE, replace(KERNEL, options={}), "ENOSYS", "CONFIG_MODULES"),
        (replace(FILE, seal=SignatureBlock(9, True, "it is cut")), KERNEL, "EBADMSG", "it is cut"),
        (UNSIGNED, replace(KERNEL, sig_enforce=True), "EKEYREJECTED", "sig_enforce"),
        (UNSIGNED, replace(KERNEL, lockdown="integrity"), "EPERM", "locked down (integrity)"),
        (UNSIGNED, replace(KERNEL, lockdown="confidentiality"), "EPERM", "confidentiality"),
        (
            UNSIGNED,
            replace(KERNEL, sig_enforce=None, options={"MODULES": "y", "MODULE_SIG_FORCE": "y"}),
            "EKEYREJECTED",
            "CONFIG_MODULE_SIG_FORCE",
        ),
        (
            replace(FILE, seal=SignatureBlock(1000, True, supported=False)),
            replace(KERNEL, sig_enforce=True),
            "EKEYREJECTED",
            "since Linux 4.3",
        ),
        (replace(FILE, damage=("It is cut off.",)), KERNEL, "ENOEXEC", "It is cut off."),
        (replace(FILE, info=info(machine="aarch64")), KERNEL, "ENOEXEC", "another architecture"),
        (replace(FILE, bits=32), KERNEL, "ENOEXEC", "32-bit"),
        (replace(FILE, little_endian=False), KERNEL, "ENOEXEC", "big-endian"),
        (FILE, replace(KERNEL, blocked=True), "EPERM", "module_blacklist="),
        (OTHER_LAYOUT, KERNEL, "ENOEXEC", "0x00000008, this kernel's 0x00000007"),
        (replace(FILE, info=info(vermagic="6.1.0-56-amd64 SMP")), KERNEL, "ENOEXEC", "preempt"),
        (FILE, replace(KERNEL, loaded={"hello"}), "EEXIST", "hello is already loaded"),
        (FILE, replace(KERNEL, present=True), "EINVAL", "built into this kernel"),
        (
            FILE,
            replace(KERNEL, candidates={}),
            "ENOENT",
            "Neither the kernel nor any module exports printk.",
        ),
        (PROPRIETARY, offering(gpl_only=True), "ENOENT", "may not use printk"),
        (FILE, offering(crc=12), "EINVAL", "another version of printk"),
        (FILE, offering(namespace="DMA_BUF"), "EINVAL", "the namespace of printk"),
        (FILE, offering(namespace="module:other,kvm-*"), "EINVAL", "one of the modules that may"),
        (FILE, replace(KERNEL, duplicates={"hi": "xor"}), "ENOEXEC", "exports 1 symbol"),
        (
            replace(FILE, info=info(vermagic="")),
            replace(KERNEL, options={"MODULES": "y"}),
            "ENOEXEC",
            "no version magic",
        ),
        (
            replace(FILE, symbols=symbols(Import("printk", False), layout=None)),
            replace(KERNEL, options={"MODULES": "y"}),
            "ENOEXEC",
            "no symbol checksums",
        ),
    ],
)
def test_refused(file: FileFacts, kernel: KernelFacts, errno: str, says: str) -> None:
    check = asked(file, kernel)
    assert check.verdict is Verdict.REFUSED
    assert check.errno == errno
    assert says in check.sentence
    assert check.sentence.startswith("It will not load: ")


@pytest.mark.parametrize(
    ("file", "kernel", "says"),
    [
        (UNSIGNED, KERNEL, "not signed"),
        (FOREIGN, KERNEL, "not with the key"),
        (PROPRIETARY, KERNEL, "Its licence is Proprietary"),
        (replace(FILE, info=info(vermagic="")), KERNEL, "sets taint F"),
        (
            replace(FILE, info=info(vermagic=VERMAGIC.replace("6.1.0-56", "6.1.0-57"))),
            KERNEL,
            "built for 6.1.0-57-amd64",
        ),
        (FILE, replace(KERNEL, rules=("/etc/modprobe.d/a.conf:1: blacklist hello",)), "insmod"),
        (FILE, offering(crc=None), "checksum is unknown: printk."),
        (
            FILE,
            replace(offering(namespace="X"), options=ALLOWING),
            "only logs a warning",
        ),
        (
            UNSIGNED,
            replace(KERNEL, options={"MODULES": "y", "MODULE_SIG": "n"}),
            "does not check signatures",
        ),
        (replace(FILE, packing="xz"), replace(KERNEL, packings={"xz"}), "compressed with xz"),
    ],
)
def test_loads_with_a_note(file: FileFacts, kernel: KernelFacts, says: str) -> None:
    check = asked(file, kernel)
    assert check.verdict is Verdict.LOADS, check.sentence
    assert any(says in finding.text for finding in check.findings), check.findings


@pytest.mark.parametrize(
    ("file", "kernel", "says"),
    [
        (FILE, replace(KERNEL, reference=None), "is unknown"),
        (FILE, replace(KERNEL, options=None, has_modules=False), "there is no /proc/modules"),
        (FOREIGN, replace(KERNEL, sig_enforce=True), "only if the kernel trusts that key"),
        (
            replace(FILE, info=info(Signature("PKCS#7"))),
            KERNEL,
            "cannot parse the signature",
        ),
        (FILE, replace(KERNEL, candidates={}, knows_all=False), "Whether printk can be resolved"),
        (replace(FILE, info=info(vermagic="")), replace(KERNEL, options=None), "anyway is unknown"),
        (
            UNSIGNED,
            replace(KERNEL, options=None, sig_enforce=None),
            "whether this kernel requires signatures",
        ),
        (replace(FILE, packing="gzip"), KERNEL, "built with zlib"),
        (
            replace(FILE, symbols=symbols(Import("printk", False, 11), layout=None)),
            offering(crc=None),
            "Nothing else shows",
        ),
        (replace(FILE, info=None, not_read="It is too large."), KERNEL, "It is too large."),
    ],
)
def test_unknown(file: FileFacts, kernel: KernelFacts, says: str) -> None:
    check = asked(file, kernel)
    assert check.verdict is Verdict.UNKNOWN, check.sentence
    assert any(says in finding.text for finding in check.because), check.because


def test_refused_wins_over_unknown() -> None:
    check = asked(replace(FILE, packing="gzip"), replace(KERNEL, candidates={}))
    assert check.verdict is Verdict.REFUSED
    assert [finding.topic for finding in check.because] == ["symbols"]


def test_weak_symbols_may_be_missing() -> None:
    file = replace(FILE, symbols=symbols(Import("maybe", weak=True), Import("printk", False, 11)))
    check = asked(file)
    assert check.verdict is Verdict.LOADS
    assert [(s.name, s.provider, s.mark) for s in check.symbols] == [
        ("maybe", "", Mark.FINE),
        ("printk", "kernel", Mark.FINE),
    ]


def test_a_provider_that_is_not_loaded_has_to_be_loaded_first() -> None:
    file = replace(
        FILE, symbols=symbols(Import("a", False), Import("b", False), Import("c", False))
    )
    offers = {name: Candidate(f"mod_{name}", name == "c") for name in "abc"}
    check = asked(file, replace(KERNEL, candidates=offers))
    assert check.verdict is Verdict.LOADS
    assert check.first == ("mod_a", "mod_b")
    assert check.sentence == "It will load once mod_a and mod_b are loaded."


@pytest.mark.parametrize(
    ("namespace", "imported"),
    [("DMA_BUF", "DMA_BUF"), ("module:hel*", ""), ("module:kvm,hello", "")],
)
def test_namespaces_that_it_may_use(namespace: str, imported: str) -> None:
    file = replace(FILE, info=info(import_ns=imported))
    assert asked(file, offering(namespace=namespace)).verdict is Verdict.LOADS


def test_all_symbols_with_a_problem_are_listed_with_the_reason() -> None:
    wanted = [Import(f"s{number}", False, 1) for number in range(5)]
    offers = {each.name: Candidate("", True, crc=2, source="the file of ext4") for each in wanted}
    check = asked(replace(FILE, symbols=symbols(*wanted)), replace(KERNEL, candidates=offers))
    (finding,) = check.because
    assert finding.text.startswith("It was built against another version of 5 of")
    assert len(finding.lines) == 5
    assert finding.lines[0] == "s0: 0x00000001, but 0x00000002 in the file of ext4"


@pytest.mark.parametrize(
    ("module", "has_checksums", "accepted", "differs"),
    [
        (VERMAGIC, True, True, []),
        (VERMAGIC.replace("6.1.0-56", "6.1.0-57"), True, True, ["6.1.0-57-amd64"]),
        (VERMAGIC.replace("6.1.0-56", "6.1.0-57"), False, False, ["6.1.0-57-amd64"]),
        (VERMAGIC.replace(" preempt", ""), True, False, []),
        (VERMAGIC.replace("SMP", "UP extra"), True, False, ["UP", "extra"]),
        ("", True, False, []),
    ],
)
def test_version_magics(
    module: str, has_checksums: bool, accepted: bool, differs: list[str]
) -> None:
    compared = compare_vermagic(module, VERMAGIC, has_checksums=has_checksums)
    assert compared.accepted is accepted
    assert [word.text for word in compared.module if word.differs] == differs
    assert compared.release_ignored == (accepted and bool(differs))
    if " preempt" not in module:
        assert "preempt" in [word.text for word in compared.kernel if word.differs]
