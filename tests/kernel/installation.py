"""kmodtui as it is installed in the guest: from its wheel, into a venv, on a disk of its own.

The run-time dependencies have the versions of constraints.txt. They are installed once
and kept with the image, in `venv-<key>/`; a run adds the wheel to a copy. Standard library
only.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import sys
import tempfile
import tomllib
from importlib.util import find_spec
from pathlib import Path

from tests.kernel.host_commands import CannotRunError, run
from tests.kernel.image import Image, beside, digest, in_tree, lock, make_disk

REPOSITORY = Path(__file__).resolve().parents[2]
DISK_SIZE = 512 << 20
"""Of the disk with the venv, in bytes; mostly empty."""

_PIP = ("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--root-user-action=ignore")


def install(image: Image, into: Path, repository: Path = REPOSITORY) -> Path:
    """Make the disk that the guest mounts on /opt/kmodtui: the working tree, from its wheel.

    `into` is a folder for this run; the answer is the ext4 file in it.
    """
    wheel = build_wheel(into, repository)
    venv = into / "venv"
    shutil.copytree(dependencies(image, repository), venv, symlinks=True)
    (venv / wheel.name).write_bytes(wheel.read_bytes())
    in_tree(
        image.tree,
        ["/opt/kmodtui/bin/pip", "install", *_PIP, "--no-index", "--no-deps",
         f"/opt/kmodtui/{wheel.name}"],
        venv=venv,
    )  # fmt: skip
    (venv / wheel.name).unlink()
    disk = into / "kmodtui.img"
    make_disk(venv, disk, f"{DISK_SIZE // 1024}k")
    shutil.rmtree(venv)
    return disk


def build_wheel(into: Path, repository: Path = REPOSITORY) -> Path:
    """Build the project's wheel into a folder, as a release would be built."""
    # A build backend that is installed already saves an environment for each run.
    isolation = ["--no-isolation"] if find_spec("hatchling") else []
    run(
        [sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(into),
         str(repository)],
    )  # fmt: skip
    (wheel,) = into.glob("*.whl")
    return wheel


def dependencies(image: Image, repository: Path = REPOSITORY) -> Path:
    """The cached venv with the run-time dependencies, without kmodtui itself."""
    wanted = _requirements(repository, image.python)
    constraints = repository / "constraints.txt"
    key = digest("\n".join(wanted), constraints.read_text(), Path(__file__).read_text())
    venv = image.folder / f"venv-{key}"
    with lock(beside(image.folder, ".venv-lock"), fcntl.LOCK_EX):
        if venv.exists():
            return venv
        for old in image.folder.glob("venv-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=image.folder) as folder:
            unfinished = Path(folder) / "venv"
            (unfinished / "wheels").mkdir(parents=True)
            _download(wanted, constraints, image.python, unfinished / "wheels")
            in_tree(image.tree, ["python3", "-m", "venv", "/opt/kmodtui"], venv=unfinished)
            in_tree(
                image.tree,
                ["/opt/kmodtui/bin/pip", "install", *_PIP, "--no-index",
                 "--find-links=/opt/kmodtui/wheels", *wanted],
                venv=unfinished,
            )  # fmt: skip
            shutil.rmtree(unfinished / "wheels")
            unfinished.rename(venv)
    return venv


def _download(wanted: list[str], constraints: Path, python: str, into: Path) -> None:
    """Fetch wheels here, where the network and any pip settings are, but for the guest's Python."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--only-binary=:all:", "--implementation=cp", f"--python-version={python}",
        "--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64",
        f"--constraint={constraints}", f"--dest={into}", *wanted,
    ]  # fmt: skip
    try:
        run(command)
    except RuntimeError as error:
        last = str(error).splitlines()[-1]
        raise CannotRunError(f"the kernel lane could not fetch kmodtui's needs: {last}") from error


def _requirements(repository: Path, python: str) -> list[str]:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    # pip looks at its own Python when it reads a marker, whatever --python-version says.
    found = []
    for requirement in project["dependencies"]:
        name, _, marker = requirement.partition(";")
        before = re.search(r"python_version < '([\d.]+)'", marker)
        if not before or _version(python) < _version(before[1]):
            found.append(name.strip())
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))
