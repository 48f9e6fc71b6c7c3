"""The configuration file: its settings, and the errors for invalid ones."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from kmodtui.cli import _parser, run
from kmodtui.errors import ConfigError, ElevationRefusedError
from kmodtui.privileged import elevation
from kmodtui.privileged.helper import IDLE_TIMEOUT
from kmodtui.services.config import Config, config_path, read_config
from kmodtui.services.root import local as root
from kmodtui.services.root.access import NoRoot, read_only
from kmodtui.services.root.local import LocalRoot
from kmodtui.services.settings import BY_KEY
from kmodtui.ui import launch
from tests.support.simulated import make_simulated


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the configuration in a temporary home directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "kmodtui").mkdir()
    return tmp_path / "kmodtui" / "config.toml"


def read(path: Path, text: str) -> Config:
    path.write_text(text)
    return read_config(path)


def typed(*arguments: str) -> argparse.Namespace:
    return _parser().parse_args(arguments)


def test_it_is_in_the_users_configuration_directory(path: Path) -> None:
    assert config_path() == path


def test_without_a_file_there_are_no_settings(path: Path) -> None:
    assert read_config(path) == Config(path)


def test_every_setting_is_read(path: Path) -> None:
    text = (
        'read_only = true\ninterval = 2.5\nelevate = "doas"\nidle_minutes = 5\n'
        "light = true\nlite = true\nmouse = false\n"
    )
    assert read(path, text) == Config(
        path,
        read_only=True,
        interval=2.5,
        elevate="doas",
        idle_minutes=5,
        light=True,
        lite=True,
        mouse=False,
    )
    assert read(path, "interval = 2\n").interval == 2


def test_the_keys_of_commands_are_read_however_their_table_is_written(path: Path) -> None:
    wanted = {"lines.up": ("K",), "dashboard.load": ("F6", "+")}
    for text in (
        '[keys]\nlines.up = "K"\ndashboard.load = [\n  "F6",\n  "+",\n]\n',
        '[keys.lines]\nup = "K"\n[keys.dashboard]\nload = ["F6", "+"]\n',
        'keys."lines.up" = "K"\nkeys."dashboard.load" = ["F6", "+"]\n',
        'keys = {lines.up = "K", dashboard.load = ["F6", "+"]}\n',
    ):
        assert read(path, text).keys == wanted


def test_the_line_of_each_setting_is_known(path: Path) -> None:
    text = (
        '# a = 1\nlight = true\n\n[keys]\n# c\ndashboard.load = [ # ]\n  "F6"\n]\n'
        'lines.up = """K"""\n\n[keys.tree]\nfold = "f"\n'
    )
    lines = read(path, text).lines
    assert [lines[key] for key in ("light", "keys.dashboard.load", "keys.lines.up")] == [2, 6, 9]
    assert lines["keys.tree.fold"] == 12


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("readonly = true", "unknown setting “readonly”.", "Did you mean read_only?"),
        ("zzz = 1", "unknown setting “zzz”.", "The settings are elevate, idle_minutes, interval, "),
        ('read_only = "yes"', "read_only must be true or false, not “yes”.", "Correct or remove"),
        ("read_only = 1", "read_only must be true or false, not 1.", "remove the line"),
        ("light = []", "light must be true or false, not a list.", "Correct or remove"),
        ("mouse.off = true", "mouse must be true or false, not a table.", "Correct or remove"),
        (
            "interval = true",
            "interval must be a number of seconds from 0.2 to 60, not true.",
            "Correct",
        ),
        ("interval = 0.1", "from 0.2 to 60, not 0.1.", "Correct"),
        ("interval = nan", "from 0.2 to 60, not nan.", "Correct"),
        ("interval = 1e99", "from 0.2 to 60, not 1e+99.", "Correct"),
        (
            "idle_minutes = 0",
            "idle_minutes must be a whole number of minutes from 1 to 480, not 0.",
            "",
        ),
        ("idle_minutes = 1.5", "not 1.5.", ""),
        ("idle_minutes = false", "not false.", ""),
        ('elevate = "su"', "elevate must be one of root, sudo, doas, run0, pkexec, not “su”.", ""),
        ("elevate = ['sudo']", "not a list.", ""),
        ("elevate = 2020-01-01", "not 2020-01-01.", ""),
        ("light = true\n\nligth = true", "config.toml:3: unknown setting “ligth”.", "light?"),
        ("keys = 1", "keys must be a table, not 1.", "keys.dashboard.load"),
        ("[keys]\nlines.up = 1", ":2: lines.up must be a key or a list of keys, not 1.", ""),
        ("[keys]\nlines.up = []", ":2: lines.up must be a key or a list of keys, not an empty", ""),
        ("[keys]\nlines.up = ['a', 1]", "must be a key or a list of keys, not a list.", ""),
        ("interval = ", "is not valid TOML: Invalid value (at end of document).", "interval = 2.5"),
        ("light = true\nlight = false", "is not valid TOML: Cannot overwrite a value (at", ""),
        ("interval = " + "9" * 5000, "is not valid TOML: Exceeds the limit", ""),
        ("light = " + "[" * 100_000, "is not valid TOML: ", ""),
    ],
)
def test_invalid_settings_are_reported(path: Path, text: str, sentence: str, hint: str) -> None:
    with pytest.raises(ConfigError) as told:
        read(path, text)
    assert told.value.message.startswith(str(path))
    assert sentence in told.value.message
    assert hint in told.value.hint


def test_an_unreadable_file_is_reported(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_config(path)
    path.rmdir()
    path.write_bytes(b'elevate = "\xff"\n')
    with pytest.raises(ConfigError, match="not in UTF-8"):
        read_config(path)


def test_the_default_idle_time_is_that_of_the_helper() -> None:
    assert BY_KEY["idle_minutes"].default * 60 == IDLE_TIMEOUT


def test_the_command_line_takes_precedence(path: Path) -> None:
    path.write_text("")
    kept = Config(path, read_only=True, light=True, mouse=False)
    assert read_only(None, kept) is not None
    assert read_only(typed("--no-read-only").read_only, kept) is None
    assert read_only(typed("--read-only").read_only, Config(path)) is not None
    assert read_only(None, Config(path)) is None
    assert launch._first(typed("--no-light").light, kept.light, False) is False
    assert launch._first(typed().light, kept.light, False) is True
    assert launch._first(typed("--mouse").mouse, kept.mouse, True) is True
    assert launch._first(typed("--no-mouse").mouse, None, True) is False
    assert launch._first(typed().interval, None, 1.0) == 1.0


def test_read_only_names_the_option_or_the_file_that_set_it(path: Path) -> None:
    by_file = read_only(None, Config(path, read_only=True))
    assert isinstance(by_file, NoRoot)
    assert str(by_file.denied) == (
        f"read_only = true is set in {path}. Start kmodtui with --no-read-only."
    )
    by_option = read_only(typed("--read-only").read_only, Config(path, read_only=True))
    assert "started with --read-only" in str(by_option and by_option.denied)


@pytest.mark.parametrize(
    ("options", "tree", "words"),
    [
        (["--read-only"], None, "read-only · running as root"),
        (["--kernel", "6.0.0-none"], None, "read-only · running as root"),
        ([], "/", "read-only · running as root"),
        ([], None, "running as root"),
    ],
)
def test_the_header_shows_that_kmodtui_runs_as_root(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    tree: str | None,
    words: str,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine = launch._machine(typed(*options), Config(path), tree)
    assert machine.privilege_words == words
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (
        "running as root"
        not in launch._machine(typed(*options), Config(path), tree).privilege_words
    )


def test_elevate_and_idle_minutes_are_used_to_start_the_helper(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int | None, Path | None]] = []

    class Access(LocalRoot):
        def __init__(
            self,
            way: str = "",
            *,
            idle_minutes: int | None = None,
            kept_in: Path | None = None,
            once: bool = False,
        ) -> None:
            asked.append((way, idle_minutes, kept_in))

    monkeypatch.setattr(root, "LocalRoot", Access)
    kept = Config(path, elevate="doas", idle_minutes=5)
    launch._machine(typed(), kept, None)
    launch._machine(typed("--elevate", "sudo"), kept, None)
    launch._machine(typed(), Config(path), None)
    assert asked == [("doas", 5, path), ("sudo", 5, None), ("", None, None)]


def test_an_elevate_setting_that_cannot_work_is_reported_with_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevation, "_DIRECTORIES", ())
    kept = Config(path, elevate="doas")
    with pytest.raises(ElevationRefusedError) as told:
        launch._machine(typed(), kept, None)
    assert str(told.value) == (
        f'doas is not installed. Install it, or remove elevate = "doas" from {path}.'
    )
    with pytest.raises(ElevationRefusedError, match=r"run0 is not .*, or omit --elevate"):
        launch._machine(typed("--elevate", "run0"), kept, None)


def test_the_verbs_do_not_read_it(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("nonsense")
    simulated = make_simulated(tmp_path / "system")
    assert run(["list", "--root", str(simulated.folder.root)]) == 0
    run(["helper", "status"])
    assert capsys.readouterr().err == ""
