"""The demo's simulated kernel does what the recorded one does. Where they differ, it is wrong.

The same modprobe commands in both, one after another; after each: what was
printed, the exit status, what changed in /proc/modules, and what was logged.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from kmodtui.demo.modprobe import PATH
from kmodtui.demo.moments import at_once
from kmodtui.demo.recording import packaged_recording
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.kernel.image import Image
from tests.kernel.vm import boot

COMMANDS = tuple(
    shlex.split(line)
    for line in """
    -v -- btrfs
    -v -- btrfs
    -v -r -- btrfs
    -v -r -- btrfs
    -v -- 8021q
    -v -- bridge
    -v -r -- stp
    -v -r -- 8021q
    -v -r -- bridge
    -v -- snd-dummy
    -v -r -- snd_timer
    -v -r -- snd_dummy
    -v -r -- snd_timer
    -v -- fs-vfat
    -v -r -- fat
    -v -r -- vfat nosuch dummy
    -v -- dummy numdummies=2
    -v -r -- dummy
    -v -- dummy numdummies=abc
    -v -- dummy numdummies=99999999999
    -v -- dummy numdummies
    -v -- dummy numdumies=2
    -v -r -- dummy
    -v -- nbd max_part=100000
    -v -- nbd max_part=15
    -v -r -- nbd
    -v -- nosuch
    -v -r -- nosuch
    -v -- zlib_inflate
    -v -r -- zlib_inflate
    -v -r -- ext4
    -v -r -- jbd2
    -v -- null_blk
    -v -r -- null_blk
    -v -- veth
    -v -r -- veth
    -v -- raid456
    -v -r -- raid456
    -v -- binder_linux debug_mask=0x3
    -v -r -- binder_linux
    """.strip().splitlines()
)

# Runs as a file in the guest. Standard output goes to a file as the helper lets it.
SCRIPT = r"""
import json, os, subprocess, sys, tempfile
log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
os.lseek(log, 0, os.SEEK_END)
def records():
    found = []
    while True:
        try:
            found.append(os.read(log, 8192).decode().partition(";")[2].splitlines()[0])
        except BlockingIOError:
            return found
done = []
for arguments in json.load(sys.stdin):
    before = open("/proc/modules").read()
    with tempfile.TemporaryFile() as out:
        code = subprocess.run(["/sbin/modprobe", *arguments], stdout=out, stderr=out,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
        out.seek(0)
        printed = out.read().decode()
    subprocess.run(["udevadm", "settle"])
    done.append((code.returncode, printed, before, open("/proc/modules").read(), records()))
json.dump(done, sys.stdout)
"""


class Ran(NamedTuple):
    """What one command did."""

    command: str
    exit: int
    output: str
    lines_gone: list[str]
    lines_new: list[str]
    log: list[str]

    @classmethod
    def of(
        cls, command: list[str], status: int, output: str, before: str, after: str, log: list[str]
    ) -> Ran:
        old, new = lines(before), lines(after)
        return cls(
            " ".join(command),
            status,
            output,
            [line for line in old if line not in new],
            [line for line in new if line not in old],
            [text for text in log if not text.startswith(NOT_COMPARED)],
        )


# raid6 measures how fast it is; the others are no module's doing.
NOT_COMPARED = ("raid6: ", "IPv6: ADDRCONF", "audit: ", "random: ")


def lines(table: str) -> list[str]:
    """The lines of /proc/modules without their addresses."""
    return [line.partition(" 0x")[0] + line.partition(" (")[2] for line in table.splitlines()]


def test_the_same_commands_do_the_same(debian: Image, tmp_path: Path) -> None:
    kernel = SimulatedKernel(packaged_recording(), tmp_path)
    assert kernel.release == debian.release, "recorded on another kernel: make a new recording"
    with boot(image=debian, repository=None) as vm:
        vm.write("root", "/tmp/script.py", SCRIPT.encode())
        answer = vm.run(
            "root",
            ["python3", "/tmp/script.py"],
            input=json.dumps(COMMANDS),
            timeout=600,
            check=True,
        )
    for command, real in zip(COMMANDS, json.loads(answer.stdout), strict=True):
        before = kernel.folder.read("/proc/modules").decode()
        outcome = at_once(kernel.modprobe.run((PATH, *command)))
        after = kernel.folder.read("/proc/modules").decode()
        log = [record.text for record in outcome.log]
        assert Ran.of(command, outcome.exit, outcome.output, before, after, log) == Ran.of(
            command, *real
        )
