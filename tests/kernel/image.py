"""The guests: Debian's own packages and kernel on a disk, made once and kept.

    python -m tests.kernel.image            make the cached image, print where it is
    python -m tests.kernel.image systemd    the one of `make test-full`

There are two. `BUSYBOX` boots in seconds and runs nothing but sshd: all tests but a few
are for it. `SYSTEMD` has what those few need: journald, logind, a bus, polkit, run0.

`BUSYBOX` has Debian's newest kernel for that release. KMODTUI_TEST_KERNEL selects another kernel
package, for instance an older point release:

    KMODTUI_TEST_KERNEL=linux-image-6.1.0-50-amd64 make kernel

The cache of each, `${XDG_CACHE_HOME:-~/.cache}/kmodtui-tests/<name>-<key>/`, where the key
is a hash of this file and of the directory `guest`:

    tree/           the root file system as a directory; tree/lib/modules/<release> serves
                    tests on the host, too
    disk.img        the same as ext4; never written to (QEMU's snapshot=on)
    vmlinuz  initramfs.gz
    id  id.pub      an SSH key that root, admin and guest accept; known_hosts
    venv-<key>/     see `installation`
    booted-<key>    see `vm`

Needs root, the network and some commands (`host_commands`). Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.host_commands import SYSTEM_PATH, CannotRunError, provide, run

GUEST_FILES = Path(__file__).resolve().parent / "guest"

NEWEST_KERNEL = "linux-image-amd64"
KERNEL = os.environ.get("KMODTUI_TEST_KERNEL") or NEWEST_KERNEL
"""The kernel package of most tests."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Debian to make an image of.

    Attributes:
        name: in a word, for the directory in the cache.
        suite: Debian's name of the release.
        packages: what is installed beside the minimum and the kernel.
        init: what the initramfs hands over to, with its arguments.
        writable: whether `/` can be written from the first moment.
        kernel: the package of the kernel.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    init: str
    writable: bool
    kernel: str = NEWEST_KERNEL

    @property
    def folder(self) -> Path:
        """Where its image is kept."""
        files = [Path(__file__), *sorted(GUEST_FILES.iterdir())]
        return cache_folder() / f"{self._kept_as}-{digest(*(path.read_text() for path in files))}"

    @property
    def _kept_as(self) -> str:
        return self.name if self.kernel == NEWEST_KERNEL else f"{self.name}-{self.kernel}"

    @property
    def outdated(self) -> list[Path]:
        """Images of this distribution with the same kernel package that nobody will use again."""
        kept = (folder for folder in cache_folder().iterdir() if folder.is_dir())
        return [
            folder
            for folder in kept
            if folder.name.rpartition("-")[0] == self._kept_as and folder != self.folder
        ]


_EVERYWHERE = (
    "busybox-static",
    "iproute2",
    "kmod",
    "ncurses-term",
    "openssh-server",
    "procps",
    "python3",
    "python3-venv",
    "strace",
    "sudo",
    "udev",
)
BUSYBOX = Distribution(
    "busybox",
    "bookworm",
    (*_EVERYWHERE, "apparmor", "btrfs-progs", "dosfstools", "kmon", "screen", "tmux"),
    "/bin/busybox init",
    # Nothing may be written until a saved guest goes on: the disk has to be as it was.
    writable=False,
    kernel=KERNEL,
)
# run0 is in systemd from 256 on, and Debian 12 has 252.
SYSTEMD = Distribution(
    "systemd",
    "trixie",
    (*_EVERYWHERE, "dbus", "libpam-systemd", "opendoas", "pkexec", "polkitd", "sudo-rs",
     "systemd", "systemd-sysv"),
    "/usr/lib/systemd/systemd",
    writable=True,
)  # fmt: skip

USERS = ("root", "admin", "guest")
ADMIN_PASSWORD = "a long walk"
"""What `admin` has to type for sudo. `guest` may not use sudo at all."""

# What a guest of a few minutes has no use for, and would be busy with.
NOT_WANTED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "systemd-tmpfiles-clean.timer",
)

# The first three are not used in a guest; certificates are: pip 25 does not even start without
# any, although it installs files only. Without the last one, installing the kernel would
# make an initramfs, twice: half of the time that the whole tree takes.
NOT_UNPACKED = (
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/etc/kernel/postinst.d/*",
)

# Everything between the disk and init that Debian builds as a module.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "virtio_net")


@dataclass(frozen=True, slots=True)
class Image:
    """A finished cache folder."""

    folder: Path
    distribution: Distribution = BUSYBOX

    @property
    def tree(self) -> Path:
        """The guest's root file system, as a folder of this machine."""
        return self.folder / "tree"

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        return self.folder / "initramfs.gz"

    @property
    def ssh_key(self) -> Path:
        return self.folder / "id"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def release(self) -> str:
        """The guest's kernel release, as `uname -r` prints it there."""
        return _release(self.tree)

    @property
    def python(self) -> str:
        """The version of the guest's Python, as `3.11`."""
        return (self.tree / "usr/bin/python3").readlink().name.removeprefix("python")

    @property
    def modules(self) -> Path:
        """The guest's /lib/modules/<release>: every .ko of the kernel package, and the indexes."""
        return self.tree / "lib/modules" / self.release

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep this image from being cleared away by a run that has another key."""
        with lock(beside(self.folder, ".lock"), fcntl.LOCK_SH):
            yield


def cached(distribution: Distribution = BUSYBOX) -> Image:
    """The image, made first if the cache does not hold it; one builder at a time.

    Raises `CannotRunError` where it cannot be made.
    """
    provide()
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    image = Image(distribution.folder, distribution)
    with lock(root / "build.lock", fcntl.LOCK_EX):
        if not image.folder.exists():
            _remove_unused([*root.glob("unfinished-*"), *distribution.outdated])
            # Renamed as the last step: an interrupted build is never taken for an image.
            # Under a name of its own, because what mmdebstrap had started may live on.
            unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=root))
            unfinished.chmod(0o755)
            _build(Image(unfinished, distribution))
            unfinished.rename(image.folder)
    return image


def kmod(tool: str) -> list[str]:
    """Return the words that run a tool of kmod here as it is in `BUSYBOX`, where it has been made.

    What the tools print depends on their version, and this machine may have any.
    """
    tree = Image(BUSYBOX.folder).tree
    libraries = tree / "usr/lib/x86_64-linux-gnu"
    linker = libraries / "ld-linux-x86-64.so.2"
    return [
        *(str(linker), "--argv0", tool, "--library-path", str(libraries)),
        str(tree / "usr/bin/kmod"),
    ]


def cache_folder() -> Path:
    """Where images are kept; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kmodtui-tests"


# -- the Debian tree -----------------------------------------------------------------


def _build(image: Image) -> None:
    tree = image.tree
    command = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join((image.distribution.kernel, *image.distribution.packages))}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_UNPACKED),
        image.distribution.suite,
        str(tree),
    ]
    try:
        run(command)
    except RuntimeError as error:
        why = [line for line in str(error).splitlines() if line.startswith("E: ")]
        raise CannotRunError(
            f"the kernel lane could not make a Debian tree: {why[0] if why else error}"
        ) from error
    _configure(image)
    shutil.copy(tree / "boot" / f"vmlinuz-{image.release}", image.kernel)
    _make_initramfs(image)
    make_disk(tree, image.disk, "3G")


def _configure(image: Image) -> None:
    """Users, keys and the guest's own boot: what an administrator does after installing."""
    tree = image.tree
    in_tree(tree, ["useradd", "-m", "-s", "/bin/bash", "-G", "sudo", "admin"])
    in_tree(tree, ["useradd", "-m", "-s", "/bin/bash", "guest"])
    # sshd takes an account without a password for a locked one.
    passwords = "\n".join(f"{user}:{ADMIN_PASSWORD}" for user in USERS)
    in_tree(tree, ["chpasswd"], stdin=passwords)

    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(image.ssh_key)])
    key = image.ssh_key.with_suffix(".pub").read_text()
    for user in USERS:
        home = "/root" if user == "root" else f"/home/{user}"
        folder = tree / home[1:] / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text(key)
        (folder / "authorized_keys").chmod(0o600)
        in_tree(tree, ["chown", "-R", f"{user}:", f"{home}/.ssh"])
    host_key = (tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    image.known_hosts.write_text(f"guest {host_key}")

    (tree / "opt/kmodtui").mkdir(parents=True)
    (tree / "usr/local/bin/kmodtui").symlink_to("/opt/kmodtui/bin/kmodtui")
    (tree / "etc/hostname").write_text("debian\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost debian\n")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    if image.distribution is SYSTEMD:
        _configure_systemd(tree)
    else:
        _configure_busybox(tree)


def _configure_busybox(tree: Path) -> None:
    shutil.copy(GUEST_FILES / "sshd_config", tree / "etc/ssh/sshd_config")
    shutil.copy(GUEST_FILES / "inittab", tree / "etc/inittab")
    shutil.copy(GUEST_FILES / "modules", tree / "etc/modules")
    (tree / "etc/guest").mkdir()
    shutil.copy(GUEST_FILES / "boot.sh", tree / "etc/guest/boot.sh")


def _configure_systemd(tree: Path) -> None:
    # With PAM, as everywhere: logind's sessions come from there. sshd takes what it reads first.
    config = (GUEST_FILES / "sshd_config").read_text()
    (tree / "etc/ssh/sshd_config").write_text(f"UsePAM yes\n{config}")
    (tree / "etc/doas.conf").write_text("permit admin as root\n")
    (tree / "etc/doas.conf").chmod(0o600)
    (tree / "etc/fstab").write_text("/dev/vdb /opt/kmodtui ext4 noatime,nofail 0 0\n")
    (tree / "etc/systemd/network/eth0.network").write_text(
        "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\n"
    )
    # Otherwise it would take each start for the first one, and set everything up.
    in_tree(tree, ["systemd-machine-id-setup"])
    in_tree(tree, ["systemctl", "enable", "systemd-networkd.service"])
    in_tree(tree, ["systemctl", "set-default", "multi-user.target"])
    in_tree(tree, ["systemctl", "mask", *NOT_WANTED])


def _make_initramfs(image: Image) -> None:
    listed = in_tree(
        image.tree,
        ["modprobe", "--set-version", image.release, "--show-depends", "--all", *BOOT_MODULES],
    )
    # Each line is `insmod PATH`, or `builtin NAME`; what two of them need is listed twice.
    words = [line.split() for line in listed.splitlines()]
    paths = list(dict.fromkeys(path for what, path, *_ in words if what == "insmod"))
    with tempfile.TemporaryDirectory(dir=image.folder) as folder:
        root = Path(folder)
        (root / "bin").mkdir()
        (root / "modules").mkdir()
        shutil.copy(image.tree / "bin/busybox", root / "bin/busybox")
        shutil.copy(GUEST_FILES / "initramfs.sh", root / "init")
        for path in paths:
            shutil.copy(image.tree / path.lstrip("/"), root / "modules")
        names = "".join(f"{Path(path).name}\n" for path in paths)
        (root / "modules/order").write_text(names)
        access = "rw" if image.distribution.writable else "ro"
        (root / "modules/init").write_text(f"{access} {image.distribution.init}\n")
        entries = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        archive = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            cwd=root,
            input=entries.encode(),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    image.initramfs.write_bytes(gzip.compress(archive, 1, mtime=0))


def make_disk(folder: Path, disk: Path, size: str) -> None:
    """Make an ext4 file of a folder; `size` as mke2fs takes it, and sparse."""
    run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(folder), str(disk), size])


def _release(tree: Path) -> str:
    (folder,) = (tree / "lib/modules").iterdir()
    return folder.name


# -- doing things ----------------------------------------------------------------------


def in_tree(
    tree: Path, command: Sequence[str], *, venv: Path | None = None, stdin: str = ""
) -> str:
    """Run a command inside the tree, with a folder as its /opt/kmodtui; gives what it prints."""
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
    if venv is None:
        return run(["chroot", str(tree), *command], environment=environment, stdin=stdin)
    # In a mount namespace of its own, so that nothing stays mounted, come what may.
    script = 'mount --bind "$1" "$2/opt/kmodtui"; tree="$2"; shift 2; exec chroot "$tree" "$@"'
    return run(
        ["unshare", "--mount", "--propagation", "private",
         "sh", "-ec", script, "sh", str(venv), str(tree), *command],
        environment=environment,
        stdin=stdin,
    )  # fmt: skip


def beside(folder: Path, suffix: str) -> Path:
    """Return the path of a file next to `folder` that has its name and a suffix."""
    return folder.with_name(folder.name + suffix)


def digest(*parts: str) -> str:
    """Give a short name for these texts that other texts do not have."""
    return hashlib.sha256(b"\0".join(part.encode() for part in parts)).hexdigest()[:16]


def _remove_unused(folders: Sequence[Path]) -> None:
    for folder in folders:
        used = beside(folder, ".lock")
        with contextlib.suppress(BlockingIOError), lock(used, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)
            for file in folder.parent.glob(f"{folder.name}.*"):
                file.unlink()


@contextlib.contextmanager
def lock(path: Path, how: int) -> Iterator[None]:
    """Hold a lock file: `fcntl.LOCK_SH` or `LOCK_EX`."""
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield


if __name__ == "__main__":
    try:
        wanted = SYSTEMD if sys.argv[1:] == [SYSTEMD.name] else BUSYBOX
        sys.stdout.write(f"{cached(wanted).folder}\n")
    except CannotRunError as missing:
        sys.exit(str(missing))
