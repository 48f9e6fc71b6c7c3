"""Oopses and warnings in the kernel log: found once each, with the place in the module."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.source_line import read_source_line
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.trouble import Trouble, TroubleKind, TroubleReader

WARNING = """
boom: hello
------------[ cut here ]------------
WARNING: CPU: 1 PID: 345 at /home/me/drv/boom.c:6 boom_init+0x13/0x1000 [boom]
Modules linked in: boom(OE+) ext4
CPU: 1 PID: 345 Comm: insmod Tainted: G           OE      6.1.0-57-amd64 #1  Debian 6.1.192-3
RIP: 0010:boom_init+0x13/0x1000 [boom]
Call Trace:
 <TASK>
 ? __warn+0x7d/0xc0
 do_one_initcall+0x59/0x220
 do_init_module+0x4a/0x1f0
---[ end trace 0000000000000000 ]---
boom: bye
"""

OOPS = """
BUG: kernel NULL pointer dereference, address: 0000000000000000
#PF: supervisor write access in kernel mode
#PF: error_code(0x0002) - not-present page
PGD 0 P4D 0
Oops: 0002 [#1] PREEMPT SMP NOPTI
CPU: 0 PID: 377 Comm: sh Tainted: G           OE      6.1.0-57-amd64 #1  Debian 6.1.192-3
RIP: 0010:boom_write+0x5/0x10 [boom]
Code: 00 00
Call Trace:
 <TASK>
 ? __die_body+0x1a/0x60
 vfs_write+0xbc/0x3d0
---[ end trace 0000000000000000 ]---
RIP: 0010:boom_write+0x5/0x10 [boom]
"""

THROUGH_KERNEL = """
BUG: unable to handle page fault for address: ffffffffdeadbeef
Oops: 0000 [#2] PREEMPT SMP NOPTI
RIP: 0010:memcpy_erms+0x6/0x10
Call Trace:
 ? page_fault_oops+0xd1/0x4e0
 boom_read+0x1c/0x40 [boom]
 vfs_read+0x9c/0x2f0
---[ end trace 0000000000000000 ]---
"""

ARM = """
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
Mem abort info:
Internal error: Oops: 0000000096000044 [#1] PREEMPT SMP
pc : boom_write+0x10/0x30 [boom]
lr : vfs_write+0xc8/0x300
Call trace:
 boom_write+0x10/0x30 [boom]
---[ end trace 0000000000000000 ]---
"""

BUG = """
kernel BUG at /home/me/drv/boom.c:9!
invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
RIP: 0010:boom_init+0x5/0x1000 [boom]
---[ end trace 0000000000000000 ]---
"""


def found(*logs: str) -> list[Trouble]:
    reader, troubles = TroubleReader(), list[Trouble]()
    for number, line in enumerate("".join(logs).strip().splitlines(), 1):
        troubles += reader.take([LogRecord(number, number, 4, line)])
    return [*troubles, *reader.end()]


@pytest.mark.parametrize(
    ("log", "kind", "place"),
    [
        (WARNING, TroubleKind.WARNING, "boom_init+0x13"),
        (OOPS, TroubleKind.OOPS, "boom_write+0x5"),
        (THROUGH_KERNEL, TroubleKind.OOPS, "boom_read+0x1c"),
        (ARM, TroubleKind.OOPS, "boom_write+0x10"),
        (BUG, TroubleKind.OOPS, "boom_init+0x5"),
    ],
    ids=["warning", "oops", "through the kernel", "arm64", "BUG"],
)
def test_a_report_is_found_once_with_its_place(log: str, kind: TroubleKind, place: str) -> None:
    (trouble,) = found(log)
    assert trouble.kind is kind
    assert str(trouble.place_in("boom")) == place
    assert trouble.concerns("boom")


def test_several_reports_are_found_in_order() -> None:
    kinds = [each.kind for each in found(WARNING, OOPS, WARNING)]
    assert kinds == [TroubleKind.WARNING, TroubleKind.OOPS, TroubleKind.WARNING]


def test_the_header_and_the_source_line_are_those_of_the_kernel() -> None:
    (warning,) = found(WARNING)
    assert warning.header[0].startswith("WARNING: CPU: 1 PID: 345 at")
    place = warning.place_in("boom")
    assert place
    assert place.source == "/home/me/drv/boom.c:6"
    (oops,) = found(OOPS)
    assert oops.header[1].startswith("Oops: 0002")


def test_a_report_that_was_cut_off_is_reported_as_far_as_it_is_there() -> None:
    (trouble,) = found(OOPS.partition("Code")[0])
    assert str(trouble.place_in("boom")) == "boom_write+0x5"


def test_a_warning_of_another_module_does_not_concern_this_one() -> None:
    (warning,) = found(WARNING)
    assert not warning.concerns("other")


def test_ordinary_lines_are_no_report() -> None:
    assert found("boom: WARNING: hello\nusb 1-1: BUG report\nOops, said the driver? no\n") == []


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("addr2line")), reason="needs gcc")
def test_the_source_line_is_that_of_addr2line(tmp_path: Path) -> None:
    source = tmp_path / "boom.c"
    source.write_text(
        "int counter;\n"
        "int greet(int x)\n{\n\tcounter += x;\n\treturn counter * 3;\n}\n"
        '__attribute__((section(".init.text"))) int start(void)\n{\n\treturn greet(2) + 1;\n}\n'
    )
    for debug in ("-gdwarf-4", "-gdwarf-5"):
        file = tmp_path / "boom.ko"
        command = ["gcc", "-c", "-O1", debug, "-o", str(file), str(source)]
        subprocess.run(command, check=True)
        for function, section in (("greet", ".text"), ("start", ".init.text")):
            for offset in (0, 8):
                told = subprocess.check_output(
                    ["addr2line", "-j", section, "-e", str(file), hex(offset)], text=True
                ).split()[0]
                line = read_source_line(LocalHost(), str(file), function, offset)
                assert line == told, (debug, function, offset)
    assert read_source_line(LocalHost(), str(file), "nosuch", 0) == ""
    subprocess.run(["strip", "--strip-debug", str(file)], check=True)
    assert read_source_line(LocalHost(), str(file), "greet", 0) == ""
