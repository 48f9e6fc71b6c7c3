"""A small recording in the format of the demo's: a dozen modules, a few hundred symbols.

Names, sizes, counts and dependencies are those of Debian 12's kernel 6.1;
symbols are fewer, and their names are generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kmodtui.demo.recording import Files, RecordedFile, Recording
from tests.support.elf import make_module

RELEASE = "6.1.0-56-amd64"
VERMAGIC = f"{RELEASE} SMP preempt mod_unload modversions "


@dataclass(frozen=True)
class Parameter:
    """A module parameter; `value` is None for permissions 0."""

    kind: str
    description: str = ""
    value: str | None = "0"
    mode: int = 0o444


@dataclass(frozen=True)
class Part:
    """A module of the recording.

    Attributes:
        path: its file below `kernel/`, or `updates/…`.
        depends: modules that it imports symbols from.
        symbols: how many rows of kallsyms it has after its init.
        boot: whether it is loaded at boot; those are listed newest first.
        references: references at boot that are not from modules.
        takes: references that it holds on others while it is loaded, without being in `users`.
        softdep: as in modules.softdep, without the name.
        modinfo: additional entries.
    """

    path: str
    size: int
    depends: tuple[str, ...] = ()
    symbols: int = 12
    init_size: int = 8192
    boot: bool = False
    references: int = 0
    permanent: bool = False
    taints: str = ""
    description: str = ""
    license: str = "GPL"
    takes: Mapping[str, int] = field(default_factory=dict)
    softdep: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    modinfo: tuple[tuple[str, str | bytes], ...] = ()
    load_log: tuple[str, ...] = ()
    unload_log: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return self.path if self.path.startswith("updates/") else f"kernel/{self.path}"


_NEEDED_BY_BTRFS = ("zstd_compress", "raid6_pq", "xor", "libcrc32c")

# Modules loaded at boot in the order of /proc/modules, then the others.
PARTS: dict[str, Part] = {
    "hello": Part(
        "updates/hello.ko",
        16384,
        symbols=8,
        boot=True,
        taints="OE",
        description="Says hello, built outside of the tree",
        parameters={"greeting": Parameter("charp", "What to say", "hello", 0o644)},
    ),
    "evdev": Part(
        "drivers/input/evdev.ko",
        28672,
        boot=True,
        references=2,
        description="Input driver event char devices",
    ),
    "virtio_net": Part(
        "drivers/net/virtio_net.ko",
        73728,
        depends=("net_failover",),
        boot=True,
        symbols=30,
        description="Virtio network driver",
        parameters={
            "napi_tx": Parameter("bool", "", "Y", 0o644),
            "csum": Parameter("bool", "", "Y"),
            "gso": Parameter("bool", "", "Y"),
        },
        aliases=("virtio:d00000001v*",),
    ),
    "net_failover": Part(
        "drivers/net/net_failover.ko",
        24576,
        depends=("failover",),
        boot=True,
        description="Failover driver for Paravirtual drivers",
    ),
    "failover": Part(
        "net/core/failover.ko", 16384, boot=True, description="Generic failover infrastructure"
    ),
    "ext4": Part(
        "fs/ext4/ext4.ko",
        983040,
        depends=("jbd2", "mbcache", "crc16"),
        boot=True,
        references=1,
        symbols=90,
        description="Fourth Extended Filesystem",
        softdep="pre: crc32c",
        aliases=("fs-ext4", "ext3", "fs-ext3", "ext2", "fs-ext2"),
    ),
    "crc16": Part("lib/crc16.ko", 16384, boot=True, symbols=6, description="CRC16 calculations"),
    "mbcache": Part("fs/mbcache.ko", 16384, boot=True, description="Meta block cache"),
    "jbd2": Part("fs/jbd2/jbd2.ko", 167936, boot=True, symbols=40, description=""),
    "crc32c_generic": Part(
        "crypto/crc32c_generic.ko",
        16384,
        boot=True,
        references=1,
        description="CRC32c (Castagnoli) calculations wrapper for lib/crc32c",
        aliases=("crc32c", "crypto-crc32c", "crc32c-generic", "crypto-crc32c-generic"),
    ),
    "btrfs": Part(
        "fs/btrfs/btrfs.ko",
        1806336,
        depends=_NEEDED_BY_BTRFS,
        symbols=240,
        init_size=258048,
        description="",
        softdep="pre: blake2b-256",
        aliases=("fs-btrfs", "devname:btrfs-control", "char-major-10-234"),
        load_log=("Btrfs loaded, crc32c=crc32c-generic, zoned=yes, fsverity=yes",),
    ),
    "xor": Part("crypto/xor.ko", 24576, load_log=("xor: automatically using best checksumming",)),
    "raid6_pq": Part(
        "lib/raid6/raid6_pq.ko",
        122880,
        symbols=40,
        description="RAID6 Q-syndrome calculations",
        load_log=("raid6: using algorithm avx2x4 gen() 25017 MB/s", "raid6: using avx2x2 recovery"),
    ),
    "zstd_compress": Part("lib/zstd/zstd_compress.ko", 294912, symbols=60, description="Zstd"),
    "libcrc32c": Part(
        "lib/libcrc32c.ko",
        16384,
        symbols=5,
        description="CRC32c (Castagnoli) calculations",
        takes={"crc32c_generic": 1},
        softdep="pre: crc32c",
    ),
    "blake2b_generic": Part(
        "crypto/blake2b_generic.ko",
        20480,
        description="BLAKE2b generic implementation",
        aliases=("blake2b-256", "crypto-blake2b-256", "blake2b-generic"),
    ),
    "dummy": Part(
        "drivers/net/dummy.ko",
        16384,
        symbols=20,
        description="Dummy netdevice driver which discards all packets sent to it",
        parameters={"numdummies": Parameter("int", "Number of dummy pseudo devices", "1")},
        aliases=("rtnl-link-dummy",),
    ),
    "vfat": Part(
        "fs/fat/vfat.ko",
        24576,
        depends=("fat",),
        description="VFAT filesystem support",
        aliases=("fs-vfat",),
    ),
    "fat": Part("fs/fat/fat.ko", 90112, symbols=50),
    "tun": Part(
        "drivers/net/tun.ko",
        61440,
        symbols=35,
        description="Universal TUN/TAP device driver",
        aliases=("devname:net/tun", "char-major-10-200"),
        load_log=("tun: Universal TUN/TAP device driver, 1.6",),
    ),
    "nbd": Part(
        "drivers/block/nbd.ko",
        65536,
        symbols=30,
        description="Network Block Device",
        parameters={
            "nbds_max": Parameter("int", "number of network block devices", "16"),
            "max_part": Parameter("int", "number of partitions per device", "16"),
        },
        load_log=("nbd: registered device at major 43",),
    ),
    "binder_linux": Part(
        "drivers/android/binder_linux.ko",
        204800,
        symbols=45,
        permanent=True,
        license="GPL v2",
        parameters={
            "debug_mask": Parameter("uint", "", "7", 0o644),
            "devices": Parameter("charp", "", "binder,hwbinder,vndbinder"),
            "stop_on_user_error": Parameter("int", "", "0", 0o644),
        },
    ),
}

BUILTIN = {"kernel/drivers/virtio/virtio.ko": (), "kernel/lib/zlib_inflate/zlib_inflate.ko": ()}

_CORE = (
    b"0000000000000000 A fixed_percpu_data\n"
    b"0000000000000000 A __per_cpu_start\n"
    b"ffffffff81000000 T startup_64\n"
    b"ffffffff81000000 T _stext\n"
    b"ffffffff81000000 T _text\n"
    + b"".join(b"ffffffff81%06x t core_function_%d\n" % (64 * n, n) for n in range(1, 400))
    + b"ffffffff82000000 D jiffies\n"
)
_PSEUDO = (
    b"ffffffffc0001000 t ftrace_trampoline\t[__builtin__ftrace]\n"
    b"ffffffffc0002000 t bpf_prog_6deef7357e7b4530\t[bpf]\n"
)

_SYSTEM = {
    "proc/version": f"Linux version {RELEASE} (debian-kernel@lists.debian.org) (gcc-12 (Debian "
    "12.2.0-14) 12.2.0) #1 SMP PREEMPT_DYNAMIC Debian 6.1.159-1 (2025-12-30)\n",
    "proc/cmdline": f"BOOT_IMAGE=/boot/vmlinuz-{RELEASE} root=/dev/vda1 ro quiet\n",
    "proc/uptime": "5025.17 9891.02\n",
    "proc/mounts": "/dev/vda1 / ext4 rw,relatime 0 0\n",
    "proc/sys/kernel/osrelease": f"{RELEASE}\n",
    "proc/sys/kernel/ostype": "Linux\n",
    "proc/sys/kernel/hostname": "debian\n",
    "proc/sys/kernel/arch": "x86_64\n",
    "proc/sys/kernel/tainted": "12288\n",
    "proc/sys/kernel/kptr_restrict": "0\n",
    "proc/sys/kernel/perf_event_paranoid": "3\n",
    "proc/sys/kernel/dmesg_restrict": "1\n",
    "proc/sys/kernel/modules_disabled": "0\n",
    "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
    "sys/module/module/parameters/sig_enforce": "N\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "etc/hostname": "debian\n",
}


def symbol_rows(name: str, count: int, base: int, *, loading: bool = False) -> bytes:
    """Return the rows of a module in kallsyms; some names occur twice."""
    kinds = "tttTtdrtbTtr"
    names = [f"{name}_{_WORDS[n % len(_WORDS)]}_{n // len(_WORDS)}" for n in range(count)]
    if count > 8:
        names[3] = names[5] = "__func__.7"
    rows = [f"{base + 32 * n:016x} {kinds[n % 12]} {names[n]}\t[{name}]\n" for n in range(count)]
    if loading:
        rows += [f"{base + 0x100000:016x} t {what}\t[{name}]\n" for what in ("init_module",)]
        rows += [f"{0:016x} u {what}\t[{name}]\n" for what in ("_printk", "__fentry__", "kfree")]
    return "".join(rows).encode()


_WORDS = """
init read write open close alloc free lookup insert delete
start stop wait wake map unmap get put lock unlock
""".split()  # noqa: SIM905


def small_recording(parts: Mapping[str, Part] | None = None) -> Recording:
    """Return a recording of `parts`, or of PARTS."""
    parts = PARTS if parts is None else parts
    root = {path: RecordedFile(text.encode()) for path, text in _SYSTEM.items()}
    recording = Recording(root)
    users = {
        name: [other for other, part in parts.items() if part.boot and name in part.depends]
        for name in parts
    }
    modules, symbols = "", _CORE
    for number, (name, part) in enumerate(parts.items()):
        base = 0xFFFFFFFFC0400000 + number * 0x400000
        rows = symbol_rows(name, part.symbols, base)
        recorded = {
            "proc_line": _proc_line(name, part, [], 0, base).encode(),
            "kallsyms": rows,
            "kallsyms.loading": symbol_rows(name, part.symbols, base, loading=True),
            "init_size": f"{part.init_size}\n".encode(),
            "references": "".join(f"{other} {n}\n" for other, n in part.takes.items()).encode(),
            "load.log": "".join(f"6 {text}\n" for text in part.load_log).encode(),
            "unload.log": "".join(f"6 {text}\n" for text in part.unload_log).encode(),
        }
        sysfs = _sysfs(f"sys/module/{name}", part, [], 0)
        recording.modules[name] = sysfs | {
            path: RecordedFile(data) for path, data in recorded.items()
        }
        if part.boot:
            modules += _proc_line(name, part, users[name], part.references, base)
            symbols += rows
            root |= _sysfs(f"sys/module/{name}", part, users[name], part.references)
        root[f"lib/modules/{RELEASE}/{part.file}"] = RecordedFile(_file(name, part), 0o644)
    root["proc/modules"] = RecordedFile(modules.encode())
    root["proc/kallsyms"] = RecordedFile(symbols + _PSEUDO)
    for file, data in _indexes(parts).items():
        root[f"lib/modules/{RELEASE}/{file}"] = RecordedFile(data, 0o644)
    return recording


def _proc_line(name: str, part: Part, users: Sequence[str], references: int, base: int) -> str:
    everyone = [*users, *(["[permanent]"] if part.permanent else [])]
    listed = "".join(f"{user}," for user in everyone) or "-"
    taints = f" ({part.taints})" if part.taints else ""
    return f"{name} {part.size} {len(users) + references} {listed} Live 0x{base:016x}{taints}\n"


def _sysfs(folder: str, part: Part, users: Sequence[str], references: int) -> Files:
    attributes = {
        "coresize": str(part.size),
        "initsize": "0",
        "initstate": "live",
        "refcnt": str(len(users) + references),
        "taint": part.taints,
        "srcversion": "52F2A8BBA1C22B5D6A3FBE1",
    }
    files = {
        f"{folder}/{name}": RecordedFile(f"{value}\n".encode())
        for name, value in attributes.items()
    }
    for user in users:
        files[f"{folder}/holders/{user}"] = RecordedFile(target=f"../../{user}")
    for name, parameter in part.parameters.items():
        if parameter.value is not None:
            data = f"{parameter.value}\n".encode()
            files[f"{folder}/parameters/{name}"] = RecordedFile(data, parameter.mode)
    return files


def _file(name: str, part: Part) -> bytes:
    modinfo: list[tuple[str, str | bytes]] = [("license", part.license)]
    if part.description:
        modinfo.append(("description", part.description))
    modinfo += [("alias", alias) for alias in part.aliases]
    if part.softdep:
        modinfo.append(("softdep", part.softdep))
    modinfo += part.modinfo
    for parameter, about in part.parameters.items():
        modinfo.append(("parmtype", f"{parameter}:{about.kind}"))
        if about.description:
            modinfo.append(("parm", f"{parameter}:{about.description}"))
    modinfo += [
        ("srcversion", "52F2A8BBA1C22B5D6A3FBE1"),
        ("depends", ",".join(part.depends)),
        ("retpoline", "Y"),
        ("name", name),
        ("vermagic", VERMAGIC),
    ]
    if "O" not in part.taints:
        modinfo.insert(-3, ("intree", "Y"))
    imports = ["_printk", "__fentry__", *(f"{needed}_write_0" for needed in part.depends)]
    exported = [f"{name}_{word}_0" for word in ("write", "close")]
    strings = [
        key.encode() + b"=" + (value.encode() if isinstance(value, str) else value)
        for key, value in modinfo
    ]
    exports = dict.fromkeys(exported, "__ksymtab")
    return make_module(strings, exports=exports, imports=imports)


def _indexes(parts: Mapping[str, Part]) -> dict[str, bytes]:
    def needs(name: str) -> list[str]:
        """Return all dependencies of a module, with those of others last."""
        found: list[str] = []
        for needed in parts[name].depends:
            for module in (needed, *needs(needed)):
                if module in found:
                    found.remove(module)
                found.append(module)
        return found

    head = {
        "modules.alias": "# Aliases extracted from modules themselves.\n",
        "modules.softdep": "# Soft dependencies extracted from modules themselves.\n",
        "modules.symbols": "# Aliases for symbols, used by symbol_request().\n",
    }
    lines = {
        "modules.dep": [
            f"{part.file}: {' '.join(parts[other].file for other in needs(name))}".rstrip()
            for name, part in parts.items()
        ],
        "modules.alias": [
            f"alias {alias} {name}" for name, part in parts.items() for alias in part.aliases
        ],
        "modules.softdep": [
            f"softdep {name} {part.softdep}" for name, part in parts.items() if part.softdep
        ],
        "modules.symbols": [
            f"alias symbol:{name}_{word}_0 {name}" for name in parts for word in ("write", "close")
        ],
        "modules.order": [part.file for part in parts.values()],
        "modules.builtin": list(BUILTIN),
    }
    texts = {
        file: head.get(file, "") + "".join(f"{line}\n" for line in content)
        for file, content in lines.items()
    }
    return {file: text.encode() for file, text in texts.items()} | {
        "modules.builtin.modinfo": b"virtio.file=drivers/virtio/virtio\0virtio.license=GPL\0"
        b"zlib_inflate.file=lib/zlib_inflate/zlib_inflate\0zlib_inflate.license=GPL\0"
    }
