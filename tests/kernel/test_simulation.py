"""The demo's simulated kernel does what a real one does. Where they differ, it is wrong.

The same modprobe commands run in both, one after another. Compared after each: what it printed,
its exit status, which lines of /proc/modules came and went, and what the kernel logged.

The guest may run another point release than the one in the recording, so what changes from one to
the next is not compared: the release itself and the sizes of modules. Their names, their order,
reference counts, users, states and taints are.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest

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
import json, os, socket, subprocess, sys, tempfile
log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
os.lseek(log, 0, os.SEEK_END)
uevents = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)  # NETLINK_KOBJECT_UEVENT
uevents.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE: none may be lost
uevents.bind((0, 1))
def records():
    found = []
    while True:
        try:
            found.append(os.read(log, 8192).decode().partition(";")[2].splitlines()[0])
        except BlockingIOError:
            return found
def events():
    found = []
    while True:
        try:
            header = uevents.recv(65536, socket.MSG_DONTWAIT).partition(b"\0")[0].decode()
        except BlockingIOError:
            return found
        action, _, path = header.partition("@/module/")
        if path and "/" not in path:
            found.append(f"{action} {path}")
done = []
for arguments in json.load(sys.stdin):
    before = open("/proc/modules").read()
    with tempfile.TemporaryFile() as out:
        code = subprocess.run(["/sbin/modprobe", *arguments], stdout=out, stderr=out,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
        out.seek(0)
        printed = out.read().decode()
    done.append((code.returncode, printed, before, open("/proc/modules").read(), records(),
                 events()))
json.dump([os.uname().release, done], sys.stdout)
"""


class Ran(NamedTuple):
    """What one command did, without what differs between two point releases of a kernel."""

    command: str
    exit: int
    output: str
    modules_gone: list[str]
    modules_new: list[str]
    log: list[str]
    events: list[str]

    @classmethod
    def of(
        cls,
        release: str,
        command: list[str],
        status: int,
        output: str,
        before: str,
        after: str,
        log: list[str],
        events: list[str],
    ) -> Ran:
        old, new = modules(before), modules(after)
        return cls(
            " ".join(command),
            status,
            output.replace(release, "RELEASE"),
            [line for line in old if line not in new],
            [line for line in new if line not in old],
            [text.replace(release, "RELEASE") for text in log if not text.startswith(NOT_COMPARED)],
            events,
        )


# raid6 measures how fast it is; the others are not logged by the modules.
NOT_COMPARED = ("raid6: ", "IPv6: ADDRCONF", "audit: ", "random: ")


def modules(table: str) -> list[str]:
    """The lines of /proc/modules, in order, without sizes and addresses."""
    lines = []
    for line in table.splitlines():
        name, _size, count, users, state, _address, *taints = line.split()
        lines.append(" ".join((name, count, users, state, *taints)))
    return lines


def test_the_same_commands_do_the_same(debian: Image, tmp_path: Path) -> None:
    kernel = SimulatedKernel(packaged_recording(), tmp_path)
    simulated_events: list[str] = []
    kernel.on_uevent(lambda event: simulated_events.append(f"{event.action} {event.name}"))
    with boot(image=debian, repository=None) as vm:
        vm.write("root", "/tmp/script.py", SCRIPT.encode())
        answer = vm.run(
            "root",
            ["python3", "/tmp/script.py"],
            input=json.dumps(COMMANDS),
            timeout=600,
            check=True,
        )
    release, outcomes = json.loads(answer.stdout)
    for command, real in zip(COMMANDS, outcomes, strict=True):
        simulated_events.clear()
        before = kernel.folder.read("/proc/modules").decode()
        outcome = at_once(kernel.modprobe.run((PATH, *command)))
        after = kernel.folder.read("/proc/modules").decode()
        log = [record.text for record in outcome.log]
        assert Ran.of(
            kernel.release,
            command,
            outcome.exit,
            outcome.output,
            before,
            after,
            log,
            list(simulated_events),
        ) == Ran.of(release, command, *real)


# One command as two point releases answer it: other release, sizes and addresses.
ONE_RELEASE = {
    "release": "6.1.0-56-amd64",
    "status": 0,
    "output": "insmod /lib/modules/6.1.0-56-amd64/kernel/fs/fat/vfat.ko \n",
    "before": "fat 90112 0 - Live 0xffffffffc0a00000\n",
    "after": "vfat 24576 0 - Live 0xffffffffc0b00000 (E)\n"
    "fat 90112 1 vfat, Live 0xffffffffc0a00000\n",
    "log": ["vfat: built for 6.1.0-56-amd64"],
    "events": ["add vfat"],
}
ANOTHER_RELEASE = {
    **ONE_RELEASE,
    "release": "6.1.0-57-amd64",
    "output": "insmod /lib/modules/6.1.0-57-amd64/kernel/fs/fat/vfat.ko \n",
    "before": "fat 94208 0 - Live 0xffffffffc0100000\n",
    "after": "vfat 20480 0 - Live 0xffffffffc0200000 (E)\n"
    "fat 94208 1 vfat, Live 0xffffffffc0100000\n",
    "log": ["vfat: built for 6.1.0-57-amd64"],
}


def ran(facts: dict[str, Any]) -> Ran:
    return Ran.of(command=["-v", "--", "vfat"], **facts)


def test_another_point_release_is_no_difference() -> None:
    assert ran(ONE_RELEASE) == ran(ANOTHER_RELEASE)


@pytest.mark.parametrize(
    ("fact", "old", "new"),
    [
        ("status", 0, 1),
        ("output", "insmod", "rmmod"),
        ("output", "fs/fat/vfat.ko", "fs/vfat.ko"),
        ("after", "vfat 20480 0", "vfat 20480 1"),
        ("after", "1 vfat,", "1 msdos,"),
        ("after", "Live", "Loading"),
        ("after", " (E)", ""),
        ("after", "vfat 20480 0 - Live 0xffffffffc0200000 (E)\n", ""),
        ("log", "built", "made"),
        ("events", "add", "remove"),
    ],
)
def test_a_difference_in_behaviour_is_found(fact: str, old: Any, new: Any) -> None:
    value = ANOTHER_RELEASE[fact]
    if isinstance(value, list):
        changed: object = [text.replace(old, new) for text in value]
    elif isinstance(value, str):
        changed = value.replace(old, new)
    else:
        changed = new
    assert changed != value
    assert ran(ONE_RELEASE) != ran({**ANOTHER_RELEASE, fact: changed})
