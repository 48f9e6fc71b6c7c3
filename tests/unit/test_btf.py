"""Type information (BTF) of a module is compared with that of the kernel."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.kernel.module_file.btf import compare_btf
from kmodtui.model.check.check import BtfFit, Verdict
from kmodtui.services.check import check_file
from tests.support.elf import make_module
from tests.support.tiny_system import RELEASE, STRUCT, VERMAGIC, modinfo, tiny_system, write

INT, TYPEDEF, FUNC = 1, 8, 12
LAYOUT = {"module_layout": 1}


def btf(strings: bytes, *types: tuple[int, int, int], order: str = "<") -> bytes:
    """Return BTF with these strings, and types as name, kind and the number behind them."""
    rows = b"".join(
        struct.pack(f"{order}III", name, kind << 24, third) + (bytes(4) if kind == INT else b"")
        for name, kind, third in types
    )
    head = struct.pack(f"{order}HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(rows), len(rows), len(strings))
    return head + rows + strings


KERNEL = btf(b"\0int\0size_t\0", (1, INT, 4), (5, TYPEDEF, 1))
OF_KERNEL = 12  # bytes of the kernel's strings, behind which the module's begin
OWN = b"my_type\0"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("row", "fit"),
    [
        ((OF_KERNEL, TYPEDEF, 2), BtfFit.SAME_BUILD),
        ((5, TYPEDEF, 3), BtfFit.SAME_BUILD),
        ((6, TYPEDEF, 1), BtfFit.OTHER_BUILD),  # `ize_t`
        ((OF_KERNEL, TYPEDEF, 4), BtfFit.REFUSED),  # there is no type 4
        ((OF_KERNEL + 20, TYPEDEF, 1), BtfFit.REFUSED),  # there is no such name
        ((0, FUNC, 1), BtfFit.REFUSED),  # a function has a name
    ],
)
def test_references_lead_to_types_and_names_of_the_kernel(
    row: tuple[int, int, int], fit: BtfFit, order: str
) -> None:
    kernel = btf(b"\0int\0size_t\0", (1, INT, 4), (5, TYPEDEF, 1), order=order)
    assert compare_btf(btf(OWN, row, order=order), kernel) is fit


@given(st.binary(max_size=40), st.integers(0, 60))
def test_malformed_information_is_not_compared(noise: bytes, position: int) -> None:
    data = bytearray(btf(OWN, (OF_KERNEL, TYPEDEF, 2)))
    data[position : position + len(noise)] = noise
    assert compare_btf(bytes(data), KERNEL) in (*BtfFit, None)
    compare_btf(KERNEL, bytes(data))


@pytest.mark.parametrize(
    ("config", "row", "verdict"),
    [
        ("", (OF_KERNEL, TYPEDEF, 2), Verdict.LOADS),
        ("", (OF_KERNEL, TYPEDEF, 4), Verdict.REFUSED),
        ("", (6, TYPEDEF, 1), Verdict.UNKNOWN),
        ("CONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n", (OF_KERNEL, TYPEDEF, 4), Verdict.LOADS),
    ],
)
def test_a_check_compares_it(
    tmp_path: Path, config: str, row: tuple[int, int, int], verdict: Verdict
) -> None:
    reference = make_module(modinfo("reference"), extra=STRUCT, versions=LAYOUT)
    host = tiny_system(tmp_path, {"reference": reference}, loaded={"reference": ()})
    options = f"CONFIG_MODULES=y\nCONFIG_DEBUG_INFO_BTF_MODULES=y\n{config}"
    write(host, f"/boot/config-{RELEASE}", options)
    write(host, "/sys/kernel/btf/vmlinux", KERNEL)
    module = make_module(
        modinfo("fresh", vermagic=VERMAGIC),
        versions=LAYOUT,
        extra={**STRUCT, ".BTF": btf(OWN, row)},
    )
    write(host, "/fresh.ko", module)
    found = check_file(host, "/fresh.ko")
    assert found.verdict is verdict, found.because
    if verdict is not Verdict.LOADS:
        assert "another build of this kernel" in found.because[0].text
