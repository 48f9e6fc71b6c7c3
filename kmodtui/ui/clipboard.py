"""Whether the clipboard of the terminal can be set, with the sequence OSC 52.

Terminals do not say whether they accept it. So only those that are known to have none are
left out; in GNU screen and on the console the sequence does nothing, or prints a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from kmodtui.ui.terminal.kinds import in_gnu_screen, is_plain

MOST = 74_994
"""Bytes that every terminal with OSC 52 takes: 100,000 in base64, with what is around them."""


def why_no_clipboard(environment: Mapping[str, str], size: int) -> str:
    """Return why some bytes cannot be copied, as a clause; empty if they probably can."""
    if in_gnu_screen(environment):
        return "GNU screen passes nothing on to the clipboard"
    if is_plain(environment):
        return f"this terminal ({environment.get('TERM', '')}) has no clipboard"
    if environment.get("VTE_VERSION", "").isdigit() and int(environment["VTE_VERSION"]) < 7600:
        return "this terminal does not let programs set the clipboard"
    if size > MOST:
        return f"terminals accept {MOST:,} bytes at most"
    return ""


def remark(environment: Mapping[str, str]) -> str:
    """Return what may have to be set for a copy to arrive, in a sentence; often empty."""
    if "TMUX" in environment:
        return "tmux passes it on if its option set-clipboard is on."
    return ""
