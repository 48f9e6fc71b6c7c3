"""The colour themes of kmodtui: a dark one, and a light one for `--light`."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="kmodtui",
    primary="#6fb3a8",
    secondary="#8aa4c8",
    accent="#e0b062",
    foreground="#c9d1d3",
    background="#14191b",
    surface="#191f22",
    panel="#242c30",
    success="#8cc07a",
    warning="#e0b062",
    error="#e88478",
    dark=True,
    variables={
        "dim": "#95a2a7",
        "rule": "#3a464b",
        "cursor": "#1c3637",
        "cursor-idle": "#232d30",
        "flash": "#2b2f22",
        "strong": "#f0f4f4",
    },
)

LIGHT = Theme(
    name="kmodtui-light",
    primary="#1a6a5f",
    secondary="#35588c",
    accent="#895600",
    foreground="#2a3235",
    background="#f7f6f2",
    surface="#f1f0ea",
    panel="#e4e3db",
    success="#39702a",
    warning="#895600",
    error="#a8321f",
    dark=False,
    variables={
        "dim": "#5c666a",
        "rule": "#c4c6be",
        "cursor": "#d8ebe6",
        "cursor-idle": "#e6e8e2",
        "flash": "#f1e3b4",
        "strong": "#101516",
    },
)

THEMES = (DARK, LIGHT)
