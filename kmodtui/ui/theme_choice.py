"""Which theme the dashboard uses, and the next one."""

from __future__ import annotations

from typing import Any

from textual.app import App

from kmodtui.errors import ConfigError
from kmodtui.model.theme import OWN_THEMES
from kmodtui.services.config import config_path
from kmodtui.services.theme_file import read_theme, user_themes
from kmodtui.ui.themes import THEMES, made_of


class ThemeChoice:
    """The themes of kmodtui, and those of the user as they are asked for."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        for theme in THEMES:
            app.register_theme(theme)

    def register(self, name: str) -> None:
        """Read a theme of the user, so that it can be used.

        Raises:
            ConfigError: there is none of that name, or its file is invalid.
        """
        if name not in OWN_THEMES:
            self._app.register_theme(made_of(read_theme(config_path(), name)))

    def next(self) -> None:
        """Use the next theme, and say which one; leave out those of the user that are invalid."""
        names = (*OWN_THEMES, *user_themes(config_path()))
        place = names.index(self._app.theme) if self._app.theme in names else -1
        for name in (*names[place + 1 :], *names):
            try:
                self.register(name)
            except ConfigError as error:
                self._app.notify(
                    str(error), title="Theme", severity="warning", markup=False, timeout=8
                )
                continue
            self._app.theme = name
            self._app.notify(
                f'To keep it, set theme = "{name}" in {config_path()}',
                title=f"Theme: {name}",
                markup=False,
                timeout=4,
            )
            return
