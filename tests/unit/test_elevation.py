"""Which program is chosen to become root, and the message if there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kmodtui.errors import (
    ElevationRefusedError,
)
from kmodtui.model.scope import Scope
from kmodtui.model.ways_to_root import WAYS_TO_ROOT
from kmodtui.privileged import elevation
from kmodtui.privileged.elevation import (
    LADDER,
    AlreadyRoot,
    NoElevation,
    detect,
)
from kmodtui.privileged.installation import HelperCommand
from kmodtui.services.root.local import LocalRoot
from tests.support.fake_root import HELPER_OF_A_FEW_LINES, never, script


def test_root_needs_no_other_program() -> None:
    assert isinstance(detect(root=True), AlreadyRoot)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which the programs are looked for."""
    monkeypatch.setattr(elevation, "_DIRECTORIES", (str(tmp_path),))
    return tmp_path


def setuid(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o4755)
    return path


def test_nothing_is_installed(places: Path) -> None:
    found = detect(root=False)
    assert isinstance(found, NoElevation)
    assert (
        found.sentence == "You are not root, and none of sudo, doas, run0 and pkexec is installed."
    )


def test_sudo_without_setuid_is_not_available(places: Path) -> None:
    script(places, "#!/bin/sh\n")
    found = detect(root=False)
    assert isinstance(found, NoElevation)
    assert "not setuid root" in found.sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is setuid root")
def test_the_first_program_that_could_work_is_chosen(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = places / "doas.conf"
    monkeypatch.setattr(elevation, "_DOAS_RULES", (str(conf), str(places / "doas.d")))
    script(places, "#!/bin/sh\n")  # not setuid
    setuid(places, "doas")
    assert "not setuid root" in detect(root=False).sentence
    assert "there is no " in detect("doas", root=False).sentence
    conf.write_text("")
    assert detect(root=False).name == "doas"
    setuid(places, "sudo")
    assert detect(root=False).name == "sudo"
    assert detect("doas", root=False).available
    assert detect("sudo", root=True).name == "sudo"  # selected explicitly


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is setuid root")
def test_pkexec_needs_its_agent_and_the_installed_helper(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setuid(places, "pkexec")
    assert "pkttyagent is not installed" in detect(root=False).sentence
    setuid(places, "pkttyagent")
    monkeypatch.setattr(elevation, "ACTION", str(places / "action"))
    monkeypatch.setattr(elevation, "is_installed", lambda: True)
    found = detect(root=False)
    assert isinstance(found, NoElevation)
    assert "kmodtui helper install" in found.hint
    assert "No helper of this version is installed." in found.sentence
    other = "The installed helper has version 0.0.1."
    monkeypatch.setattr(elevation, "mismatch", lambda: other)
    assert other in detect(root=False).sentence
    assert detect(root=False, installing=True).name == "pkexec"
    (places / "action").write_text("")
    assert detect(root=False).name == "pkexec"
    monkeypatch.setattr(elevation, "is_installed", lambda: False)
    assert isinstance(detect(root=False), NoElevation)


def test_run0_needs_systemd_and_polkits_agent(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevation, "_SYSTEMD", str(places / "systemd"))
    (places / "run0").write_text("")  # it needs no setuid bit
    assert "not booted with systemd" in detect(root=False).sentence
    (places / "systemd").mkdir()
    assert "pkttyagent is not installed" in detect(root=False).sentence
    (places / "pkttyagent").write_text("")
    assert detect(root=False).name == "run0"
    monkeypatch.setattr(elevation, "_no_new_privileges", lambda: True)
    monkeypatch.setattr(elevation, "_AGENT_HELPER", str(places / "agent-helper.socket"))
    assert "polkit's agent cannot check a password" in detect("run0", root=False).sentence
    (places / "agent-helper.socket").write_text("")
    assert detect("run0", root=False).available


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is setuid root")
def test_the_rules_of_doas_may_be_in_a_directory(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alpine's doas reads /etc/doas.d/*.conf."""
    folder = places / "doas.d"
    monkeypatch.setattr(elevation, "_DOAS_RULES", (str(places / "doas.conf"), str(folder)))
    setuid(places, "doas")
    folder.mkdir()
    assert "permits nobody to become root" in detect(root=False).sentence
    (folder / "wheel.conf").write_text("permit :wheel\n")
    assert detect(root=False).available


def test_a_selected_program_that_is_not_available_is_reported(places: Path) -> None:
    assert detect("doas", root=False).sentence == "doas is not installed."
    assert detect("root", root=False).sentence == "You are not root."
    assert isinstance(detect("root", root=True), AlreadyRoot)


def test_selecting_a_program_that_cannot_work_is_an_error(places: Path) -> None:
    with pytest.raises(ElevationRefusedError, match=r"doas is not installed\. .*--elevate"):
        LocalRoot("doas")


def test_without_a_program_root_is_denied_with_the_reason(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    root = LocalRoot()
    assert root.state == "root: denied"
    assert str(root.denied) == (
        "You are not root, and none of sudo, doas, run0 and pkexec is installed. "
        "Log in as root, or install sudo and allow yourself to use it."
    )


class Ladder:
    """A doas with a set message, followed by a run0 that permits everybody."""

    def __init__(self, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._doas = setuid(places, "doas")
        (places / "systemd").mkdir()
        for name in ("doas.conf", "pkttyagent"):
            (places / name).write_text("")
        monkeypatch.setattr(elevation, "_SYSTEMD", str(places / "systemd"))
        monkeypatch.setattr(elevation, "_DOAS_RULES", (str(places / "doas.conf"),))
        run0 = setuid(places, "run0")
        run0.write_text('#!/bin/sh\n[ "$1" = --no-ask-password ] && shift 2 && exec "$@"\n')
        run0.chmod(0o755)
        helper = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
        monkeypatch.setattr(elevation, "find_helper", lambda: helper)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def doas_says(self, words: str) -> None:
        self._doas.write_text(f"#!/bin/sh\necho doas: {words} >&2\nexit 1\n")
        self._doas.chmod(0o4755)


@pytest.fixture
def ladder(places: Path, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    if os.geteuid() != 0:
        pytest.skip("only root makes what is setuid root")
    return Ladder(places, monkeypatch)


async def refused(root: LocalRoot) -> str:
    with pytest.raises(ElevationRefusedError) as told:
        await root.open(never, Scope.CHANGE)
    return str(told.value)


async def test_after_a_forbidden_program_the_next_one_is_used(ladder: Ladder) -> None:
    ladder.doas_says("Operation not permitted")
    root = LocalRoot()
    assert root.sentence.startswith("doas starts the helper")
    assert await refused(root) == (
        "This user may not start the helper with doas: its rules do not allow it. "
        "The next attempt uses run0; --elevate selects another program."
    )
    assert root.sentence.startswith("run0 starts the helper")
    channel = await root.open(never, Scope.CHANGE)
    assert channel.via == "run0"
    await channel.close()


async def test_a_wrong_password_does_not_switch_to_the_next_program(ladder: Ladder) -> None:
    ladder.doas_says("Authentication failed")
    root = LocalRoot()
    assert "run0" not in await refused(root)
    assert root.sentence.startswith("doas starts the helper")


async def test_a_selected_program_is_kept(ladder: Ladder) -> None:
    ladder.doas_says("Operation not permitted")
    for kept_in in (None, Path("/home/me/config.toml")):
        root = LocalRoot("doas", kept_in=kept_in)
        assert "run0" not in await refused(root)
        assert root.sentence.startswith("doas starts the helper")


async def test_a_single_attempt_suggests_the_option_for_the_next_program(ladder: Ladder) -> None:
    ladder.doas_says("Operation not permitted")
    assert (await refused(LocalRoot(once=True))).endswith("Try another program: --elevate run0.")


async def test_there_is_no_program_after_the_last_one(ladder: Ladder, places: Path) -> None:
    ladder.doas_says("Operation not permitted")
    (places / "systemd").rmdir()
    assert "Ask the administrator of this machine" in await refused(LocalRoot())


def test_the_command_line_accepts_every_program() -> None:
    assert WAYS_TO_ROOT == LADDER
