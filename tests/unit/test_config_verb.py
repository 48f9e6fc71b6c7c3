"""`kmodtui config`: where the file is, what is in effect, a new file, and its errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.services.config import examine_config
from kmodtui.services.settings import SETTINGS, toml
from kmodtui.ui.commands import COMMANDS
from kmodtui.ui.keymap import remapped


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the configuration in a temporary home directory; its directory is missing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "kmodtui" / "config.toml"


@pytest.fixture
def file(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    run([*arguments, "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_the_path_is_printed_and_where_it_comes_from(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "config", "path") == f"{path}\n"
    assert as_json(capsys, "config", "path")["source"] == "environment"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    answer = as_json(capsys, "config", "path")
    assert answer["path"] == "/home/someone/.config/kmodtui/config.toml"
    assert answer["source"] == "default"


def test_a_new_file_has_every_setting_and_key_as_a_valid_comment(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "config", "init") == f"Wrote {path}\n"
    assert examine_config(path)[0].keys == {}
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]
    text = path.read_text()
    path.write_text(re.sub(r"(?m)^# ([a-z_.]+ = .+)$", r"\1", text))
    config, problems = examine_config(path)
    assert not problems
    for setting in SETTINGS:
        value = getattr(config, setting.key)
        assert value == (setting.example if setting.default is None else setting.default)
        assert setting.help in text
    commands, problems = remapped(config.keys)
    assert not problems
    assert [c.id for c in commands] == [c.id for c in COMMANDS if c.id in config.keys]
    assert [c for c in COMMANDS if c.keys] == [
        after for after, before in zip(commands, COMMANDS, strict=True) if before.keys
    ]


def test_an_existing_file_is_replaced_only_with_force(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("light = true\n")
    assert run(["config", "init"]) == 1
    assert capsys.readouterr().err == (
        f"kmodtui: {file} already exists.\n         Replace it with --force.\n"
    )
    assert file.read_text() == "light = true\n"
    real = tmp_path / "dotfiles.toml"
    file.rename(real)
    file.symlink_to(real)
    assert printed(capsys, "config", "init", "--force") == f"Replaced {file}\n"
    assert file.is_symlink()
    assert "# light = false" in real.read_text()


def test_each_setting_is_shown_with_where_it_comes_from(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        'light = true\nmouse = true\ninterval = 5\n\n[keys]\ndashboard.load = ["F6", "+"]\n'
    )
    text = printed(capsys, "--no-mouse", "--interval", "2.5", "config", "show")
    assert text.startswith(f"{file}, from XDG_CONFIG_HOME\n")
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert rows[1:] == [
        "read_only false default",
        "interval 2.5 command line, --interval",
        "elevate automatic default",
        "idle_minutes 15 default",
        "light true file, line 1",
        "theme automatic default",
        "lite false default",
        "mouse false command line, --no-mouse",
        "remember true default",
        "keys.dashboard.load F6 + file, line 6",
        f"keys: {len(COMMANDS) - 1} commands have their default keys",
    ]
    keys = as_json(capsys, "config", "show")["keys"]
    assert [each["command"] for each in keys] == [command.id for command in COMMANDS]
    load = next(each for each in keys if each["command"] == "dashboard.load")
    assert (load["keys"], load["source"], load["line"]) == (["F6", "+"], "file", 6)


def test_without_a_file_there_are_only_defaults(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "(does not exist)" in printed(capsys, "config", "show")
    assert printed(capsys, "config", "check") == f"{path}: does not exist: all defaults\n"


def test_every_error_is_reported_with_its_line_and_the_nearest_name(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        '[keys]\ndashboard.lod = "F6"\ndashboard.zoom = "s"\ndashboard.help = 1\n'
        'dashboard.sort = "s"\n'
    )
    text = file.read_text()
    file.write_text(f'interval = "fast"\nligth = true\n{text}')
    assert run(["config", "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:{n}" for n in (1, 2, 4, 5, 6)]
    assert "interval must be a number of seconds" in lines[0]
    assert lines[1].endswith("unknown setting “ligth”. Did you mean light?")
    assert "unknown command “dashboard.lod”. Did you mean dashboard.log" in lines[2]
    assert "s is the key of dashboard.zoom and of dashboard.sort (" in lines[3]
    assert "dashboard.help must be a key or a list of keys, not 1." in lines[4]
    problems = as_json(capsys, "config", "check")["problems"]
    assert [each["line"] for each in problems] == [1, 2, 4, 5, 6]
    assert run(["config", "show"]) == 2
    assert "kmodtui config check lists all problems." in capsys.readouterr().err


def test_the_status_of_a_check_says_whether_it_could_be_made(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("light = true\ninterval = \n")
    assert run(["config", "check"]) == 2
    assert f"{file}:2 is not valid TOML" in capsys.readouterr().err
    assert run(["config", "check", str(tmp_path / "none.toml")]) == 2
    other = tmp_path / "other.toml"
    other.write_text("light = false\n")
    assert run(["config", "check", str(other)]) == 0
    assert capsys.readouterr().out == f"{other}: no problems found\n"


def test_it_is_about_this_machine_only(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--demo", "config", "path"]) == 2
    assert "Leave out --root" in capsys.readouterr().err
    assert not path.exists()


def test_names_in_the_file_reach_the_terminal_as_text(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('"\\u001b[31m" = 1\n')
    assert run(["config", "check"]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_no_dashboard_is_imported_to_check_keys(file: Path) -> None:
    script = (
        "import sys; from kmodtui.cli import run; run(['config', 'check']); print(*sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "XDG_CONFIG_HOME": str(file.parents[1])},
    )
    assert not {"textual", "rich", "asyncio"} & set(found.stdout.split())


def test_the_document_has_every_setting_with_its_type_and_default() -> None:
    document = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
    rows = []
    for each in SETTINGS:
        default = each.automatic or f"`{toml(each.default)}`"
        options = " ".join(f"`{option}`," for option in each.options.split(", ") if option)
        options = f" {options.removesuffix(',')}" if options else ""
        rows.append(f"| `{each.key}` | {each.requirement} | {default} |{options} | {each.help} |")
    assert "\n".join(rows) in document


def test_the_keys_of_the_document_are_valid(file: Path) -> None:
    document = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
    file.write_text(document.split("```toml\n")[1].split("```")[0])
    config, problems = examine_config(file)
    assert not problems
    assert not remapped(config.keys)[1]


def test_check_names_mistakes_in_the_theme_of_the_user(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    themes = file.parent / "themes"
    themes.mkdir()
    file.write_text('theme = "mine"\n')
    assert run(["config", "check"]) == 1
    assert f"{file}:1: unknown theme “mine”" in capsys.readouterr().out
    (themes / "mine.toml").write_text('[colors]\nerror = "#333333"\n')
    assert run(["config", "check"]) == 1
    out = capsys.readouterr().out
    assert f"{file}:1: theme mine: error is hard to read on background." in out
    (themes / "mine.toml").write_text('[colors]\nerror = "#ff9d92"\n')
    assert "no problems found" in printed(capsys, "config", "check")
