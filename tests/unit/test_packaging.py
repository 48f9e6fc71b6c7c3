"""The wheel, the sdist and an editable install, each really installed into a fresh venv.

Nothing is fetched: what builds kmodtui is a development dependency, and the
dependencies are those of the environment that the tests run in.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.simulated import make_simulated
from tests.support.terminal import Terminal

PROJECT = Path(__file__).parents[2]
STYLES = sorted(path.name for path in (PROJECT / "kmodtui" / "styles").glob("*.tcss"))
LIMIT = 2_500_000
"""Bytes of a wheel, of which the recorded system is half."""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    """Build with the backend that pyproject.toml names, as pip does without isolation."""
    script = (
        "import sys, build; "
        "print(build.ProjectBuilder(sys.argv[2]).build(sys.argv[1], sys.argv[3]))"
    )
    said = run(sys.executable, "-c", script, kind, source, target, cwd=target)
    return Path(said.splitlines()[-1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", PROJECT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", PROJECT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel_of_sdist(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel-of-sdist")
    shutil.unpack_archive(sdist, folder)
    return build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("editable", PROJECT, tmp_path_factory.mktemp("editable"))


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return what installs a wheel into a new venv and returns the folder of its programs."""

    def into_fresh_venv(wheel: Path) -> Path:
        folder = tmp_path_factory.mktemp("venv")
        venv.create(folder, with_pip=False, symlinks=True)
        python = folder / "bin" / "python"
        run(
            *(sys.executable, "-m", "pip", "--python", python),
            *("install", "--quiet", "--no-index", "--no-deps", wheel),
            cwd=folder,
        )
        # Only now, so that pip does not take the kmodtui out there for installed. A .pth
        # file in there is not followed, so this lends the dependencies and nothing else.
        site = run(
            *(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"), cwd=folder
        ).strip()
        lent = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
        Path(site, "dependencies.pth").write_text("\n".join(dict.fromkeys(lent)) + "\n")
        return python.parent

    return into_fresh_venv


@pytest.fixture(scope="module", params=["wheel", "wheel_of_sdist", "editable"])
def installed(request: pytest.FixtureRequest, install: Callable[[Path], Path]) -> tuple[str, Path]:
    return request.param, install(request.getfixturevalue(request.param))


def test_every_kind_of_install_runs_as_a_command_and_as_a_module(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    _, programs = installed
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert run(programs / "kmodtui", "--version", cwd=tmp_path) == f"kmodtui {version}\n"
    assert (
        run(programs / "python", "-m", "kmodtui", "--version", cwd=tmp_path)
        == f"kmodtui {version}\n"
    )


def test_every_kind_of_install_has_a_place_of_its_own(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    kind, programs = installed
    place = run(programs / "python", "-c", "import kmodtui; print(kmodtui.__file__)", cwd=tmp_path)
    home = PROJECT if kind == "editable" else programs.parent
    assert Path(place.strip()).is_relative_to(home)


def test_every_kind_of_install_finds_the_styles_and_draws_with_them(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    _, programs = installed
    found = run(
        *(programs / "python", "-c"),
        "import importlib.resources, json; "
        "styles = importlib.resources.files('kmodtui') / 'styles'; "
        "print(json.dumps(sorted(f.name for f in styles.iterdir())))",
        cwd=tmp_path,
    )
    assert json.loads(found) == STYLES
    kernel = make_simulated(tmp_path)
    command = [str(programs / "kmodtui"), "--root", str(kernel.folder.root)]
    with Terminal(command, columns=120, rows=40, cwd=tmp_path) as terminal:
        terminal.wait_for("1 Modules", timeout=30)
        # The frames of the panes are what styles/panes.tcss says.
        terminal.wait_for("╭")
        terminal.press("q")
        assert terminal.wait_for_exit() == 0


def test_every_kind_of_install_brings_the_recorded_system(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    _, programs = installed
    listed = json.loads(run(programs / "kmodtui", "list", "--demo", "--json", cwd=tmp_path))
    assert "ext4" in {module["name"] for module in listed["modules"]}


def test_every_kind_of_install_brings_the_policies(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    _, programs = installed
    listed = json.loads(run(programs / "kmodtui", "audit", "--json", cwd=tmp_path))
    assert {"cis-debian-12", "local-root-2026"} <= {each["name"] for each in listed["policies"]}


def test_the_wheel_is_small_and_holds_the_package_alone(wheel: Path) -> None:
    assert wheel.stat().st_size < LIMIT
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        tcss = sorted(
            name.removeprefix("kmodtui/styles/")
            for name in archive.namelist()
            if name.startswith("kmodtui/styles/")
        )
        assert (
            archive.read("kmodtui/styles/app.tcss")
            == (PROJECT / "kmodtui" / "styles" / "app.tcss").read_bytes()
        )
    assert tops == {"kmodtui", wheel.name.split("-py3")[0] + ".dist-info"}
    assert tcss == STYLES


def test_the_wheel_of_the_sdist_is_the_wheel(wheel: Path, wheel_of_sdist: Path) -> None:
    def content(path: Path) -> dict[str, int]:
        with zipfile.ZipFile(path) as archive:
            return {info.filename: info.CRC for info in archive.infolist()}

    assert content(wheel_of_sdist) == content(wheel)


def test_the_sdist_has_what_it_takes_to_test_it(sdist: Path) -> None:
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    wanted = {"Makefile", "constraints.txt", "pyproject.toml", "LICENSE", "README.md", ".ci/run"}
    wanted |= {"kmodtui/styles/app.tcss", "tests/unit/test_packaging.py", "docs/json.md"}
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


# The versions that are pinned


def pins() -> list[Requirement]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def project() -> list[Requirement]:
    data = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    lines = [
        *data["project"]["dependencies"],
        *data["dependency-groups"]["dev"],
        *data["build-system"]["requires"],
    ]
    return [Requirement(line) for line in lines]


def test_constraints_are_names_and_exact_versions_only() -> None:
    for pin in pins():
        assert pin.url is None
        assert not pin.extras
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert not specifier.version.endswith(".*")
    text = (PROJECT / "constraints.txt").read_text()
    assert "://" not in text


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_everything_that_is_needed_is_pinned_for_every_python(python: str) -> None:
    where = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}

    def holds(requirement: Requirement) -> bool:
        return requirement.marker is None or requirement.marker.evaluate(where)

    pinned = {canonicalize_name(pin.name): pin for pin in pins() if holds(pin)}
    queue = [requirement for requirement in project() if holds(requirement)]
    seen = set()
    for requirement in queue:
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{requirement} has no pin for Python {python}"
        (specifier,) = pinned[name].specifier
        assert requirement.specifier.contains(specifier.version, prereleases=True)
        if name in seen:
            continue
        seen.add(name)
        for line in importlib.metadata.requires(name) or ():
            further = Requirement(line)
            if holds(further):
                queue.append(further)


def test_the_tests_run_with_the_versions_that_are_pinned() -> None:
    installed = {
        str(pin): importlib.metadata.version(pin.name)
        for pin in pins()
        if pin.marker is None or pin.marker.evaluate()
    }
    for pin in pins():
        if str(pin) in installed:
            assert pin.specifier.contains(installed[str(pin)], prereleases=True), pin
