"""Records a Debian system and what its modules do, for the demo's simulated kernel.

    python -m tests.kernel.record OUTFILE.tar.xz        takes some five minutes
    python -m tests.kernel.record --files FILE.tar.xz   takes its files of modules anew

Boots the guest, has `record_in_guest.py` load and unload every module of TARGETS there,
adds the matching files of /lib/modules, and writes one archive: names sorted, times zero,
owner 0, modes as in the guest. With `--files` nothing is booted: only the files of modules
and the configuration are taken again, from the same kernel package.

`root/` is the machine after boot, as far as kmodtui looks at it:

    root/proc/modules, root/proc/kallsyms   as an ordinary user reads them: no addresses
    root/proc/version, cmdline, sys/kernel/*
    root/sys/module/                        without sections/ and notes/; a file that not
                                            everyone may read is empty, its mode kept
    root/sys/kernel/security/lockdown
    root/etc/os-release
    root/boot/config-RELEASE                options about modules and symbols only
    root/lib/modules/RELEASE/               modules.dep alias symbols softdep devname order,
                                            lines about recorded modules only; weakdep if
                                            there is one; builtin* as they are
    root/lib/modules/RELEASE/kernel/        recorded modules, reduced (see module_stub), with
                                            the memory that `proc_line` shows

`modules/NAME/`, for every module that was loaded, at boot or by the recorder:

    proc_line       its line of /proc/modules while Live; users and count are those of that
                    moment, when it may have been there for another module
    kallsyms        its rows of /proc/kallsyms while Live
    sys/module/NAME what came below /sys with it, as in root/
    init_size       bytes that it held more while Loading; absent if never caught in it
    references      what it holds beside the users' lists once loaded: `OTHER COUNT`, a line each;
                    itself, where it takes a reference on itself; absent if nothing
    load.log        kernel log of its load, `LEVEL TEXT`; absent if it was not seen loading
    unload.log      and of its unloading
    removed         what `modprobe -r NAME` took away, NAME first; only where NAME had been
                    loaded by name, or at boot, with all that it needs
    unloads         `yes` if it was seen going
    unload.error    what modprobe said when it did not go
"""

from __future__ import annotations

import io
import lzma
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.kernel import record_in_guest
from tests.kernel.host_commands import CannotRunError
from tests.kernel.image import Image, cached
from tests.kernel.module_stub import stub
from tests.kernel.vm import VM, boot

TARGETS = (
    # The chains: whatever they need comes along.
    "btrfs", "8021q", "bridge", "vfat", "snd-dummy", "zram", "null_blk", "vcan", "scsi_debug",
    # Alone.
    "dummy", "tun", "loop", "nbd", "brd", "overlay", "veth",
    # What else a person would try.
    "macvlan", "ipvlan", "vxlan", "bonding", "wireguard", "ip_gre", "ifb", "ppp_generic",
    "pktgen", "e1000", "mac80211_hwsim", "vhost_net", "nf_conntrack", "iptable_nat", "tcp_bbr",
    "xfs", "squashfs", "isofs", "exfat", "cifs", "cuse", "dm_crypt", "raid1", "raid456",
    "snd_aloop", "softdog", "uinput", "usbip_core", "msr", "cpuid",
    # The last two stay until reboot: a socket of its own keeps sctp in use.
    "sctp", "binder_linux",
)  # fmt: skip
RECORDING_SECONDS = 1800.0


Entries = dict[str, tuple[tarfile.TarInfo, bytes]]
"""What stands in an archive, by name."""


def record(vm: VM) -> Entries:
    """Everything of the archive, from a guest that has just booted."""
    script = Path(record_in_guest.__file__).read_bytes()
    vm.write("root", "/tmp/record_in_guest.py", script)
    result = subprocess.run(
        vm.ssh("root", ["python3", "/tmp/record_in_guest.py", *TARGETS]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=RECORDING_SECONDS,
        check=True,
    )
    entries = read(result.stdout)
    _add_files(entries, vm.image, _recorded(entries))
    return entries


def renew_files(archive: bytes, image: Image) -> Entries:
    """What stands in a recording, with the files of modules as they would be recorded now.

    Raises ValueError if it was recorded on another kernel.
    """
    entries = read(lzma.decompress(archive))
    if f"root/lib/modules/{image.release}/modules.dep" not in entries:
        raise ValueError(f"this is no recording of {image.release}")
    _add_files(entries, image, _recorded(entries))
    return entries


def read(archive: bytes) -> Entries:
    """What stands in a tar."""
    entries: Entries = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            entries[member.name] = member, content.read() if content else b""
    return entries


def write(entries: Entries, out: Path) -> None:
    """The archive: the same entries give the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, (info, content) in sorted(entries.items()):
            clean = tarfile.TarInfo(name)
            clean.mode, clean.type, clean.linkname = info.mode, info.type, info.linkname
            clean.size = len(content)
            tar.addfile(clean, io.BytesIO(content))
    out.write_bytes(lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def _add_files(entries: Entries, image: Image, recorded: set[str]) -> None:
    """What the kernel package says of modules, as far as kmodtui reads it."""
    _add_index(entries, image.modules, recorded)
    config = (image.tree / f"boot/config-{image.release}").read_text().splitlines(keepends=True)
    kept = [line for line in config if re.search(r"CONFIG_(MODULE|MODVERSIONS|KALLSYMS)", line)]
    info = tarfile.TarInfo()
    info.mode = 0o644
    entries[f"root/boot/config-{image.release}"] = info, "".join(kept).encode()


def _recorded(entries: Entries) -> set[str]:
    return {name.split("/")[1] for name in entries if name.startswith("modules/")}


def _add_index(entries: Entries, folder: Path, recorded: set[str]) -> None:
    root = f"root/lib/modules/{folder.name}"

    def add(name: str, content: bytes) -> None:
        info = tarfile.TarInfo()
        info.mode = 0o644
        entries[f"{root}/{name}"] = info, content

    def restrict(name: str, about: Callable[[list[str]], str]) -> None:
        file = folder / name
        if file.exists():
            lines = file.read_text().splitlines(keepends=True)
            kept = (line for line in lines if line[0] == "#" or about(line.split()) in recorded)
            add(name, "".join(kept).encode())

    restrict("modules.dep", lambda words: _name(words[0]))
    restrict("modules.order", lambda words: _name(words[0]))
    restrict("modules.alias", lambda words: words[-1])
    restrict("modules.symbols", lambda words: words[-1])
    restrict("modules.softdep", lambda words: words[1].replace("-", "_"))
    restrict("modules.weakdep", lambda words: words[1].replace("-", "_"))
    restrict("modules.devname", lambda words: words[0])
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        add(name, (folder / name).read_bytes())
    for path in sorted(_paths(folder / "modules.dep")):
        if _name(path) in recorded:
            add(path, stub(folder / path, memory=_memory(entries, _name(path))))


def _memory(entries: Entries, name: str) -> int:
    """Bytes that a module takes in memory, from its line of /proc/modules."""
    _, line = entries[f"modules/{name}/proc_line"]
    return int(line.split()[1])


def _paths(dep: Path) -> Iterable[str]:
    return (line.partition(":")[0] for line in dep.read_text().splitlines())


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].partition(".")[0].replace("-", "_")


def main(out: Path, *, only_files: bool) -> None:
    """Boot, record, write, and say how large it became."""
    started = time.monotonic()
    if only_files:
        entries = renew_files(out.read_bytes(), cached())
    else:
        with boot(repository=None) as vm:
            entries = record(vm)
    write(entries, out)
    plain = sum(len(content) for _, content in entries.values())
    sys.stdout.write(
        f"{out}: {out.stat().st_size:,} bytes, {len(entries):,} files, {plain:,} bytes unpacked, "
        f"{time.monotonic() - started:.0f} s\n"
    )


if __name__ == "__main__":
    *options, file = sys.argv[1:] or ["--help"]
    if options not in ([], ["--files"]) or file.startswith("-"):
        sys.exit("usage: python -m tests.kernel.record [--files] FILE.tar.xz")
    try:
        main(Path(file), only_files=bool(options))
    except CannotRunError as missing:
        sys.exit(str(missing))
