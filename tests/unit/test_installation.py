"""Which helper is started, and who could change it."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from kmodtui import __version__
from kmodtui.errors import (
    ElevationNotAllowedError,
    HelperError,
)
from kmodtui.model.scope import Scope
from kmodtui.privileged import elevation, installation
from kmodtui.privileged.elevation import (
    AlreadyRoot,
)
from kmodtui.privileged.installation import (
    HelperCommand,
    caution,
    find_helper,
    mismatch,
    version_of,
    writable_part,
)
from kmodtui.services.root.local import LocalRoot
from tests.support.fake_root import HELPER_OF_A_FEW_LINES, never


def test_without_an_installed_helper_the_packaged_one_is_used(tmp_path: Path) -> None:
    command = find_helper(tmp_path / "none")
    assert command.argv[1:3] == ("-I", "-S")
    assert command.argv[3].endswith("kmodtui/privileged/helper.py")
    assert os.path.isabs(command.argv[0])


def test_an_installed_helper_must_have_this_version_and_belong_to_root(tmp_path: Path) -> None:
    installed = tmp_path / "kmodtui-helper"
    installed.write_text('VERSION = "0.0.0"\n')
    assert version_of(installed) == "0.0.0"
    assert find_helper(installed).argv[3] != str(installed)
    installed.write_text(f'VERSION = "{__version__}"\n')
    installed.chmod(0o666)
    assert find_helper(installed).argv[3] != str(installed)


def test_the_version_of_the_packaged_helper() -> None:
    assert version_of(Path(installation.__file__).with_name("helper.py")) == __version__
    assert version_of(Path("/nonexistent")) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is root's")
def test_the_part_of_a_path_that_others_can_write(tmp_path: Path) -> None:
    folder = tmp_path / "libexec"
    folder.mkdir(mode=0o755)
    file = folder / "helper"
    file.write_text("")
    assert writable_part(str(file)) == ""
    file.chmod(0o664)
    assert writable_part(str(file)) == str(file)
    file.chmod(0o644)
    folder.chmod(0o757)
    assert writable_part(str(file)) == str(folder)
    folder.chmod(0o755)
    os.chown(folder, 65534, 65534)
    assert writable_part(str(file)) == str(folder)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert writable_part(str(link)) == str(folder)


def test_a_private_file_of_a_user_counts_as_writable(tmp_path: Path) -> None:
    file = tmp_path / "helper"
    file.write_text("")
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    assert writable_part(str(file)) == str(file)
    assert stat.S_IMODE(file.stat().st_mode) & 0o022 == 0


@pytest.fixture
def own_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A packaged helper that every user can write to."""
    own = tmp_path / "helper.py"
    own.write_text(f'VERSION = "{__version__}"\n')
    own.chmod(0o666)
    monkeypatch.setattr(installation, "OWN", own)
    return own


async def test_the_warning_is_shown_until_the_helper_was_started(
    own_helper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "is_installed", lambda _: False)
    root = LocalRoot()
    root._elevation = AlreadyRoot()
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    monkeypatch.setattr(elevation, "find_helper", lambda: command)
    if os.geteuid() == 0:
        assert f"{own_helper} is writable without root privileges" in root.sentence
        assert "kmodtui helper install" in root.sentence
    channel = await root.open(never, Scope.CHANGE)
    assert root.sentence == AlreadyRoot.sentence
    await channel.close()


async def test_the_idle_timeout_is_sent_to_the_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = LocalRoot(idle_minutes=5)
    root._elevation = AlreadyRoot()
    result = {"code": "done", "ok": True}
    told = HELPER_OF_A_FEW_LINES.replace(
        "sys.stdin.read()",
        f"open({str(tmp_path / 'asked')!r}, 'w').write(sys.stdin.readline())\n"
        f'print(json.dumps({{"serial": 1, "id": 1, "result": {result!r}}}), flush=True)\n'
        "sys.stdin.read()",
    )
    command = HelperCommand((sys.executable, "-I", "-S", "-c", told))
    monkeypatch.setattr(elevation, "find_helper", lambda: command)
    channel = await root.open(never, Scope.CHANGE)
    assert channel.alive
    assert json.loads((tmp_path / "asked").read_text()) == {"id": 1, "op": "idle", "seconds": 300}
    await channel.close()

    refused = told.replace("'done', 'ok': True", "'invalid', 'ok': False")
    command = HelperCommand((sys.executable, "-I", "-S", "-c", refused))
    with pytest.raises(HelperError, match="refused an idle timeout of 5 minutes"):
        await root.open(never, Scope.CHANGE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is root's")
def test_no_warning_if_only_root_can_write(own_helper: Path) -> None:
    assert str(own_helper) in caution(own_helper.with_name("none"))
    installed = own_helper.with_name("kmodtui-helper")
    installed.write_text(own_helper.read_text())
    assert caution(installed) == ""
    own_helper.chmod(0o644)
    assert caution(own_helper.with_name("none")) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is root's")
def test_the_warning_is_about_the_python_that_is_started(
    tmp_path: Path, own_helper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python that is too old is not used, so its permissions do not matter."""
    own_helper.chmod(0o644)
    old, new = tmp_path / "old" / "python3", tmp_path / "new" / "python3"
    for python, status in ((old, 1), (new, 0)):
        python.parent.mkdir()
        python.write_text(f"#!/bin/sh\nexit {status}\n")
        python.chmod(0o755)
    monkeypatch.setattr(installation, "_PYTHONS", (str(old), str(new)))
    none = tmp_path / "none"
    assert find_helper(none).argv[0] == str(new)
    old.chmod(0o777)
    assert caution(none) == ""
    new.chmod(0o777)
    assert str(new) in caution(none)
    new.chmod(0o755)
    monkeypatch.setattr(installation, "_OLDEST", (3, 99))
    named = tmp_path / "python3.9"
    named.write_text("#!/bin/sh\nexit 0\n")
    named.chmod(0o755)
    monkeypatch.setattr(installation, "_PYTHONS", (str(named), str(new)))
    assert find_helper(none).argv[0] == str(new)  # too old, according to its name


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed helper of another version of kmodtui."""
    installed = tmp_path / "kmodtui-helper"
    installed.write_text('VERSION = "0.0.1"\n')
    monkeypatch.setattr(mismatch, "__defaults__", (installed,))
    return installed


OTHER = f"The installed helper has version 0.0.1, this kmodtui {__version__}: it is not used."


def test_an_installed_helper_of_another_version_is_reported_with_the_remedy(older: Path) -> None:
    assert f"{OTHER} Update it with: kmodtui helper install." in LocalRoot().sentence
    older.write_text("no helper at all\n")
    assert "has an unknown version" in LocalRoot().sentence
    older.write_text(f'VERSION = "{__version__}"\n')
    assert "version" not in LocalRoot().sentence
    older.unlink()
    assert "version" not in LocalRoot().sentence


async def test_a_refusal_mentions_an_installed_helper_of_another_version(older: Path) -> None:
    class Forbidden(AlreadyRoot):
        async def start(self, command: object, foreground: object) -> NoReturn:
            raise ElevationNotAllowedError("sudo does not let this user start it.", "Ask.")

    root = LocalRoot()
    root._elevation = Forbidden()
    with pytest.raises(ElevationNotAllowedError) as told:
        await root.open(never, Scope.CHANGE)
    assert told.value.message.startswith(f"sudo does not let this user start it. {OTHER}")
    assert "kmodtui helper install" in told.value.hint
    older.rename(older.with_name("gone"))  # noqa: ASYNC240
    with pytest.raises(ElevationNotAllowedError) as told:
        await root.open(never, Scope.CHANGE)
    assert str(told.value) == "sudo does not let this user start it. Ask."
