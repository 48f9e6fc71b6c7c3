"""Text can be read in every theme, also by the colour-blind, and needs no colour at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import ConfigError
from kmodtui.model.log.record import LEVELS
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.palettes import PALETTES, TERMINALS, palette_of
from kmodtui.model.theme import BASES, ENOUGH, GROUNDS, HIGH_CONTRAST, INKS, linear, too_faint
from kmodtui.model.usage import NO_USAGE
from kmodtui.services.theme_file import read_theme, user_themes
from kmodtui.ui.commands import COMMANDS
from kmodtui.ui.key_names import key_words
from kmodtui.ui.screens import devices, doctor, next_kernel, rules
from kmodtui.ui.terminal.kinds import keys_kept
from kmodtui.ui.widgets import module_choices
from kmodtui.ui.widgets.lines import check, events
from kmodtui.ui.widgets.panes.module_columns import Longest, ModuleColumns
from tests.ui.stage import opened

BLINDNESS = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""How somebody without one kind of cones sees linear red, green and blue.

G. M. Machado, M. M. Oliveira, L. A. F. Fernandes: A Physiologically-based Model for
Simulation of Color Vision Deficiency, 2009, severity 1.
"""


def seen_with(blindness: str, colour: str) -> str:
    parts = linear(colour)
    mixed = (
        sum(k * part for k, part in zip(row, parts, strict=True)) for row in BLINDNESS[blindness]
    )
    limited = (min(1.0, max(0.0, part)) for part in mixed)
    encoded = (p * 12.92 if p <= 0.0031308 else 1.055 * p ** (1 / 2.4) - 0.055 for p in limited)
    return "#" + "".join(f"{round(255 * part):02x}" for part in encoded)


@pytest.mark.parametrize("theme", BASES)
def test_text_can_be_read_on_every_background(theme: str) -> None:
    enough = 7 if theme == HIGH_CONTRAST else ENOUGH
    assert list(too_faint(PALETTES[theme], enough)) == []


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("theme", BASES)
def test_the_colour_blind_can_read_it_as_well(theme: str, blindness: str) -> None:
    seen = {name: seen_with(blindness, colour) for name, colour in PALETTES[theme].items()}
    assert list(too_faint(seen)) == []


@pytest.mark.parametrize("theme", ["ansi", "monochrome"])
def test_other_themes_have_only_colours_of_the_terminal_and_nothing_behind_text(theme: str) -> None:
    assert {PALETTES[theme][name] for name in GROUNDS} == {TERMINALS}
    assert all(PALETTES[theme][name].startswith("ansi_") for name in INKS)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TERM_PROGRAM": "vscode", "TERM": "xterm-256color"}, "VS Code"),
        ({"STY": "1.pts", "TERM": "screen"}, "GNU screen"),
        ({"TERM": "vt220"}, "serial line"),
        ({"TERM": "xterm-256color"}, ""),
    ],
)
def test_keys_that_a_terminal_keeps_are_known(environment: dict[str, str], said: str) -> None:
    assert said in keys_kept(environment)
    assert bool(said) == bool(keys_kept(environment))


def test_no_command_needs_a_key_that_terminals_keep() -> None:
    for command in COMMANDS:
        words = [key_words(key) for key in command.keys]
        kept = [key for key in words if key.startswith("Ctrl+") and key[5:] in "sqpebrt"]
        assert len(kept) < len(words) or not words, command.id


STATES: dict[str, list[str]] = {
    "devices": [str(state) for state in devices._STYLES],
    "doctor": [str(level) for level in doctor._STYLES],
    "next kernel": [str(difference) for difference in next_kernel._STYLES],
    "rules": [str(effect) for effect in rules._STYLES],
    "modules of the picker": [str(status) for status in module_choices.STANDING_STYLES],
    "reach": [str(reach) for reach in module_choices.REACH_STYLES],
    "findings of a check": [sign for sign, _ in check._SIGNS.values()],
    "events": [word for word, _ in events.WORDS.values()],
    "severities": list(LEVELS),
}


@pytest.mark.parametrize("where", STATES)
def test_states_with_colours_differ_in_their_words(where: str) -> None:
    words = STATES[where]
    assert len(words) > 2
    assert all(words)
    assert len(set(words)) == len(words)


def test_the_states_of_modules_differ_in_their_rows() -> None:
    modules = [
        LoadedModule("one", 4096, 0, (), state, taints, False, 0)
        for state, taints in zip(ModuleState, ("", "OE", "E"), strict=False)
    ]
    for width in (40, 80):
        columns = ModuleColumns.within(width, Longest.of(modules, NO_USAGE))
        rows = {"".join(text for text, _ in columns.cells(m, NO_USAGE)) for m in modules}
        assert len(rows) == len(modules)


async def test_a_key_goes_to_the_next_theme_and_leaves_out_a_wrong_one(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    themes = tmp_path / "kmodtui" / "themes"
    themes.mkdir(parents=True)
    (themes / "amber.toml").write_text('[colors]\nbackground = "#201000"\n')
    (themes / "wrong.toml").write_text('[colors]\nacent = "#201000"\n')
    async with opened(demo, size=(100, 30)) as stage:
        stage.app.theme = "ansi"
        await stage.press("T")
        await stage.until("Theme: monochrome")
        await stage.calm()
        inks = {stage.terminal.ink(y, x) for y in range(30) for x in range(100)}
        assert inks == {""}
        await stage.press("T")
        await stage.until("Theme: amber", lambda: stage.terminal.ground(20, 8) == "#201000")
        await stage.press("T")
        await stage.until("Theme: dark")
        words = stage.toasts.replace(" ", "")
        assert "wrong.toml:2:unknowncolour“acent”" in words


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ('\nbased_on = "drak"', "mine.toml:2: based_on must be one of dark, light", "Correct"),
        ("[colors]\nwarnign = '#112233'", "mine.toml:2: unknown colour “warnign”", "warning?"),
        ("[colors]\n\nerror = 'red'", "mine.toml:3: error must be a colour", "#ffb000"),
        ("accent = '#112233'", "mine.toml:1: unknown key “accent”", "table [colors]"),
        ("colors = 3", "mine.toml:1: colors must be a table", "[colors]"),
        ("[colors\n", "mine.toml:1 is not valid TOML", "ffb000"),
        (None, "unknown theme “mine”", "dark, light, high-contrast, ansi, monochrome"),
    ],
)
def test_an_error_in_a_theme_of_the_user_is_named_with_its_line(
    tmp_path: Path, text: str | None, words: str, hint: str
) -> None:
    (tmp_path / "themes").mkdir()
    if text is not None:
        (tmp_path / "themes" / "mine.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_theme(tmp_path / "config.toml", "mine")
    assert words in error.value.message
    assert hint in error.value.hint


def test_a_theme_of_the_user_has_the_other_colours_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "paper.toml").write_text(
        'based_on = "light"\n[colors]\n"cursor-idle" = "#ffffff"\n'
    )
    assert user_themes(tmp_path / "config.toml") == ("paper",)
    colours = palette_of(read_theme(tmp_path / "config.toml", "paper"))
    assert colours == {**PALETTES["light"], "cursor-idle": "#ffffff"}
