"""Debian's newest kernel packages of other suites and architectures, unpacked as captured trees.

They are downloaded with apt-get, with sources and package lists of their own, from the mirror
that this machine uses, and kept in the cache until there is a newer version. Nothing of them
runs here.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.host_commands import CannotRunError
from tests.kernel.image import cache_folder, kmod, lock

SECONDS = 600
"""How long one command of apt-get may take; it gives a silent mirror up much earlier."""

_SILENCE = 20  # seconds

_PARTS = re.compile(r"\blinux-(?:base|binary|modules)-\d[^ ,|]*")
"""Packages that the package of a kernel depends on; in suites until trixie there are none."""


@dataclass(frozen=True, slots=True)
class KernelPackage:
    """What to download.

    Attributes:
        suite: Debian's name of the release.
        architecture: Debian's name of the architecture.
        name: a package that depends on the newest kernel of that flavour.
    """

    suite: str
    architecture: str
    name: str

    def __str__(self) -> str:
        """Return suite and flavour, for the names of tests."""
        return f"{self.suite}-{self.name.removeprefix('linux-image-')}"


@dataclass(frozen=True, slots=True)
class UnpackedKernel:
    """A tree with the files of a kernel, as `--root` takes it.

    Attributes:
        tree: its directory.
        version: of the package.
        newest: False if the mirror could not be asked for a newer one.
    """

    tree: Path
    version: str
    newest: bool = True

    @property
    def release(self) -> str:
        """The kernel release."""
        (folder,) = (self.tree / "lib/modules").iterdir()
        return folder.name


def unpacked(package: KernelPackage, mirror: str = "") -> UnpackedKernel:
    """Return the newest kernel, downloaded and unpacked first if the cache does not have it.

    Args:
        package: which.
        mirror: the URI of a mirror; empty for the one that this machine uses.

    Raises:
        CannotRunError: the mirror cannot be reached, or lacks the package, and no older version
            is in the cache; the text says which, in one line.
    """
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    with lock(root / f"kernel-{package}.lock", fcntl.LOCK_EX):
        kept = sorted(root.glob(f"kernel-{package}_*/"), key=lambda path: path.stat().st_mtime)
        try:
            return _newest(package, mirror or _mirror(), root, kept)
        except CannotRunError:
            if not kept or mirror:
                raise
            return UnpackedKernel(kept[-1], kept[-1].name.partition("_")[2], newest=False)


def _newest(
    package: KernelPackage, mirror: str, root: Path, kept: Sequence[Path]
) -> UnpackedKernel:
    with tempfile.TemporaryDirectory(dir=root, prefix="unfinished-") as name:
        folder = Path(name)
        apt = _Apt(folder, package, mirror)
        shown = apt.show(package.name)
        image = re.search(r"\blinux-image-\d[^ ,|]*", shown["Depends"])
        if image is None:
            raise CannotRunError(f"{package.name} of {package} depends on no kernel")
        version = shown["Version"]
        target = root / f"kernel-{package}_{version.replace(':', '.')}"
        if not target.exists():
            apt.download([image[0], *_PARTS.findall(apt.show(image[0])["Depends"])])
            tree = folder / "tree"
            for file in folder.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", file, tree], check=True, timeout=SECONDS)
            _make_captured(tree)
            tree.rename(target)
            for outdated in kept:
                shutil.rmtree(outdated, ignore_errors=True)
    return UnpackedKernel(target, version)


def _make_captured(tree: Path) -> None:
    """Make what the package's own scripts make, and what a running system would show."""
    if not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")
    (folder,) = (tree / "lib/modules").iterdir()
    command = [*kmod("depmod"), "-b", str(tree), folder.name]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    (tree / "proc/sys/kernel").mkdir(parents=True)
    (tree / "proc/sys/kernel/osrelease").write_text(f"{folder.name}\n")
    (tree / "proc/modules").write_text("")


class _Apt:
    """apt-get with the package list of one suite and architecture."""

    def __init__(self, folder: Path, package: KernelPackage, mirror: str) -> None:
        self._folder = folder
        self._package = package
        sources = folder / "sources.list"
        # Another suite's key may be unknown here; the files are read and never run.
        sources.write_text(f"deb [trusted=yes] {mirror} {package.suite} main\n")
        for part in ("lists/partial", "archives/partial"):
            (folder / part).mkdir(parents=True)
        settings = {
            "APT::Architecture": package.architecture,
            "APT::Architectures": package.architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Check-Valid-Until": "false",  # the mirror may be older than its signature
            "Acquire::Languages": "none",
            "Acquire::Retries": "1",
            "Acquire::http::Timeout": str(_SILENCE),
            "Acquire::https::Timeout": str(_SILENCE),
            "Dir::Cache": str(folder),
            "Dir::Etc::sourcelist": str(sources),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": str(folder / "lists"),
            "Dir::State::status": "/dev/null",
        }
        self._options = [f"-o{key}={value}" for key, value in settings.items()]
        for _ in range(2):  # it can end well without having stored the list
            self._run("apt-get", "update", "--error-on=any")
            if any((folder / "lists").glob("*_Packages*")):
                break

    def show(self, name: str) -> dict[str, str]:
        """Return the fields of a package that are a line long."""
        printed = self._run("apt-cache", "show", "--no-all-versions", name)
        return dict(re.findall(r"^(\S+): (.*)$", printed, re.MULTILINE))

    def download(self, names: Sequence[str]) -> None:
        """Download packages into the folder."""
        self._run("apt-get", "download", *names)

    def _run(self, program: str, *words: str) -> str:
        failed = f"the kernel packages of {self._package} cannot be fetched"
        try:
            done = subprocess.run(
                [program, "-q", *self._options, *words],
                cwd=self._folder,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CannotRunError(f"{failed}: {program} took {SECONDS} s") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
            raise CannotRunError(f"{failed}: {lines[0][3:] if lines else done.stderr[-200:]}")
        return done.stdout


def _mirror() -> str:
    """Return the URI of this machine's mirror for the suites that are not updates of others."""
    printed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in printed.splitlines():
        if line.rstrip("/").endswith("/debian"):
            return line
    raise CannotRunError("this machine's apt has no mirror of Debian")
