"""The guest's disks: Debian's own packages, made once, and kmodtui, installed for each run.

    python -m tests.kernel.image            make the cached image, print where it is

The cache, `${XDG_CACHE_HOME:-~/.cache}/kmodtui-tests/<key>/`, where the key is a hash of
all that goes in:

    tree/           the root file system as a folder; tree/lib/modules/<release> serves
                    tests on the host, too
    disk.img        the same as ext4; never written to (QEMU's snapshot=on)
    vmlinuz  initramfs.gz
    venv-<key>/     /opt/kmodtui with the run-time dependencies at the versions of
                    constraints.txt, for `install` to copy
    id  id.pub      an SSH key that root, admin and guest accept; known_hosts

Needs root and the commands of HOST_PACKAGES; raises `CannotRunError` with one line if it can
not have them. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GUEST_FILES = Path(__file__).resolve().parent / "guest"

SUITE = "bookworm"
GUEST_PYTHON = "3.11"
GUEST_PACKAGES = (
    "btrfs-progs",
    "busybox-static",
    "dosfstools",
    "iproute2",
    "kmod",
    "kmon",
    "linux-image-amd64",
    "ncurses-term",
    "openssh-server",
    "procps",
    "python3",
    "python3-venv",
    "strace",
    "sudo",
    "tmux",
    "udev",
)
USERS = ("root", "admin", "guest")
ADMIN_PASSWORD = "a long walk"
"""What `admin` has to type for sudo. `guest` may not use sudo at all."""

HOST_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "cpio": "cpio",
    "modinfo": "kmod",
    "objcopy": "binutils",
    "ssh": "openssh-client",
    "setpriv": "util-linux",
}

# Everything between the disk and init that Debian builds as a module.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "virtio_net")

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CannotRunError(Exception):
    """This machine cannot run the kernel lane; the text is one line that says what is missing."""


@dataclass(frozen=True, slots=True)
class Image:
    """A finished cache folder."""

    folder: Path

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
    def modules(self) -> Path:
        """The guest's /lib/modules/<release>: every .ko of the kernel package, and the indexes."""
        return self.tree / "lib/modules" / self.release

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep this image from being cleared away by a run that has another key."""
        with _lock(self.folder.with_suffix(".lock"), fcntl.LOCK_SH):
            yield


def provide_host() -> None:
    """Have every command of HOST_PACKAGES, installing what is missing; CannotRunError otherwise."""
    if platform.machine() != "x86_64":
        raise CannotRunError(
            f"the kernel lane needs an x86-64 machine, this is {platform.machine()}"
        )
    missing = sorted({package for tool, package in HOST_PACKAGES.items() if not _which(tool)})
    if os.geteuid() != 0:
        also = f" (missing too: {' '.join(missing)})" if missing else ""
        raise CannotRunError(f"the kernel lane needs root, to make a Debian tree{also}")
    if not missing:
        return
    if not _which("apt-get"):
        raise CannotRunError(f"the kernel lane needs the Debian packages: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The lists may be recent enough: fetching them is half of the time.
    for command in ([], ["apt-get", "-q", "update"]):
        if command:
            subprocess.run(command, env=environment, capture_output=True, check=False)
        result = subprocess.run(
            ["apt-get", "-q", "-y", "install", "--no-upgrade", *missing],
            env=environment,
            capture_output=True,
            check=False,
        )
        if result.returncode == 0:
            return
    raise CannotRunError(
        f"the kernel lane could not install the Debian packages: {' '.join(missing)}"
    )


def cached() -> Image:
    """The image, made first if the cache does not hold it; one builder at a time."""
    provide_host()
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    image = Image(root / _key())
    with _lock(root / "build.lock", fcntl.LOCK_EX):
        if not image.folder.exists():
            _remove_leftovers(root, keep=image.folder)
            # Renamed as the last step: an interrupted build is never taken for an image.
            unfinished = root / "unfinished"
            unfinished.mkdir()
            _build(Image(unfinished))
            unfinished.rename(image.folder)
        _remove_leftovers(root, keep=image.folder)
    return image


def cache_folder() -> Path:
    """Where images are kept; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kmodtui-tests"


def install(image: Image, into: Path, repository: Path = REPOSITORY) -> Path:
    """Make the disk that the guest mounts on /opt/kmodtui: the working tree, from its wheel.

    `into` is a folder for this run; the answer is the ext4 file in it.
    """
    wheel = build_wheel(into, repository)
    venv = into / "venv"
    shutil.copytree(_dependencies(image, repository), venv, symlinks=True)
    (venv / wheel.name).write_bytes(wheel.read_bytes())
    _in_tree(
        image.tree,
        ["/opt/kmodtui/bin/pip", "install", *_PIP, "--no-index", "--no-deps",
         f"/opt/kmodtui/{wheel.name}"],
        venv=venv,
    )  # fmt: skip
    (venv / wheel.name).unlink()
    disk = into / "kmodtui.img"
    _make_disk(venv, disk, "512M")
    shutil.rmtree(venv)
    return disk


def build_wheel(into: Path, repository: Path = REPOSITORY) -> Path:
    """Build the project's wheel into a folder, as a release would be built."""
    # A build backend that is installed already saves an environment for each run.
    isolation = ["--no-isolation"] if find_spec("hatchling") else []
    _run(
        [sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(into),
         str(repository)],
    )  # fmt: skip
    (wheel,) = into.glob("*.whl")
    return wheel


# -- the Debian tree -----------------------------------------------------------------


def _build(image: Image) -> None:
    tree = image.tree
    _run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(GUEST_PACKAGES)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            SUITE,
            str(tree),
        ]
    )
    _configure(image)
    for leftover in tree.glob("boot/initrd*"):
        leftover.unlink()
    shutil.copy(tree / "boot" / f"vmlinuz-{image.release}", image.kernel)
    _make_initramfs(image)
    _make_disk(tree, image.disk, "3G")


def _configure(image: Image) -> None:
    """Users, keys and the guest's own boot: what an administrator does after installing."""
    tree = image.tree
    _in_tree(tree, ["useradd", "-m", "-s", "/bin/bash", "-G", "sudo", "admin"])
    _in_tree(tree, ["useradd", "-m", "-s", "/bin/bash", "guest"])
    # sshd takes an account without a password for a locked one.
    passwords = "\n".join(f"{user}:{ADMIN_PASSWORD}" for user in USERS)
    _in_tree(tree, ["chpasswd"], stdin=passwords)

    _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(image.ssh_key)])
    key = image.ssh_key.with_suffix(".pub").read_text()
    for user in USERS:
        home = "/root" if user == "root" else f"/home/{user}"
        folder = tree / home[1:] / ".ssh"
        folder.mkdir(mode=0o700)
        (folder / "authorized_keys").write_text(key)
        (folder / "authorized_keys").chmod(0o600)
        _in_tree(tree, ["chown", "-R", f"{user}:", f"{home}/.ssh"])
    host_key = (tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    image.known_hosts.write_text(f"guest {host_key}")

    (tree / "etc/hostname").write_text("debian\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost debian\n")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copy(GUEST_FILES / "sshd_config", tree / "etc/ssh/sshd_config")
    shutil.copy(GUEST_FILES / "inittab", tree / "etc/inittab")
    shutil.copy(GUEST_FILES / "modules", tree / "etc/modules")
    (tree / "etc/guest").mkdir()
    shutil.copy(GUEST_FILES / "boot.sh", tree / "etc/guest/boot.sh")
    (tree / "opt/kmodtui").mkdir(parents=True)
    (tree / "usr/local/bin/kmodtui").symlink_to("/opt/kmodtui/bin/kmodtui")


def _make_initramfs(image: Image) -> None:
    listed = _in_tree(
        image.tree,
        ["modprobe", "--set-version", image.release, "--show-depends", "--all", *BOOT_MODULES],
    )
    # Each line is `insmod PATH`; a module that two of them need is listed twice.
    paths = list(dict.fromkeys(line.split()[1] for line in listed.splitlines()))
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
        entries = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        archive = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            cwd=root,
            input=entries.encode(),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    image.initramfs.write_bytes(gzip.compress(archive, 1, mtime=0))


def _make_disk(folder: Path, disk: Path, size: str) -> None:
    _run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(folder), str(disk), size])


def _release(tree: Path) -> str:
    (folder,) = (tree / "lib/modules").iterdir()
    return folder.name


# -- the environment that kmodtui is installed into ------------------------------------

_PIP = ("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--root-user-action=ignore")


def _dependencies(image: Image, repository: Path) -> Path:
    """The cached venv with the run-time dependencies, without kmodtui itself."""
    wanted = _requirements(repository)
    constraints = repository / "constraints.txt"
    key = _digest("\n".join(wanted), constraints.read_text())
    venv = image.folder / f"venv-{key}"
    with _lock(image.folder.with_suffix(".venv-lock"), fcntl.LOCK_EX):
        if venv.exists():
            return venv
        for old in image.folder.glob("venv-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=image.folder) as folder:
            unfinished = Path(folder) / "venv"
            (unfinished / "wheels").mkdir(parents=True)
            # Fetched here, where the network and any pip settings are, but for the
            # guest's Python: this one may be of another version.
            _run(
                [sys.executable, "-m", "pip", "download", "--quiet",
                 "--disable-pip-version-check", "--only-binary=:all:",
                 "--implementation=cp", f"--python-version={GUEST_PYTHON}",
                 "--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64",
                 f"--constraint={constraints}", f"--dest={unfinished / 'wheels'}", *wanted],
            )  # fmt: skip
            _in_tree(image.tree, ["python3", "-m", "venv", "/opt/kmodtui"], venv=unfinished)
            _in_tree(
                image.tree,
                ["/opt/kmodtui/bin/pip", "install", *_PIP, "--no-index",
                 "--find-links=/opt/kmodtui/wheels", *wanted],
                venv=unfinished,
            )  # fmt: skip
            shutil.rmtree(unfinished / "wheels")
            unfinished.rename(venv)
    return venv


def _requirements(repository: Path) -> list[str]:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    # pip looks at its own Python when it reads a marker, whatever --python-version
    # says. All of ours are true for the guest's, so they can go.
    return [requirement.partition(";")[0].strip() for requirement in project["dependencies"]]


# -- doing things ----------------------------------------------------------------------


def _in_tree(
    tree: Path, command: Sequence[str], *, venv: Path | None = None, stdin: str = ""
) -> str:
    """Run a command inside the tree, with a folder as its /opt/kmodtui; gives what it prints."""
    environment = {"PATH": _SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
    if venv is None:
        return _run(["chroot", str(tree), *command], environment=environment, stdin=stdin)
    # In a mount namespace of its own, so that nothing stays mounted, come what may.
    script = 'mount --bind "$1" "$2/opt/kmodtui"; tree="$2"; shift 2; exec chroot "$tree" "$@"'
    return _run(
        ["unshare", "--mount", "--propagation", "private",
         "sh", "-ec", script, "sh", str(venv), str(tree), *command],
        environment=environment,
        stdin=stdin,
    )  # fmt: skip


def _run(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> str:
    result = subprocess.run(
        command,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-30:])
        raise RuntimeError(f"exit status {result.returncode}: {' '.join(command)}\n{tail}")
    return result.stdout


def _which(tool: str) -> str | None:
    # An ordinary user's PATH lacks the folders that hold half of these.
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def _key() -> str:
    files = [Path(__file__), *sorted(GUEST_FILES.iterdir())]
    return _digest(*(path.read_text() for path in files))


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _remove_leftovers(root: Path, keep: Path) -> None:
    for folder in root.iterdir():
        if not folder.is_dir() or folder == keep:
            continue
        with contextlib.suppress(BlockingIOError):
            lock = folder.with_suffix(".lock")
            with _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder)
                for file in root.glob(f"{folder.name}.*"):
                    file.unlink()


@contextlib.contextmanager
def _lock(path: Path, how: int) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{cached().folder}\n")
    except CannotRunError as missing:
        sys.exit(str(missing))
