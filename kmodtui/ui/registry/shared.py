"""What the commands of several parts of the screen have in common."""

from __future__ import annotations

from kmodtui.ui.subject import SubjectKind

MODULE = (SubjectKind.MODULE,)
SYMBOL = (SubjectKind.SYMBOL,)
EVENT = (SubjectKind.EVENT,)
DEVICE = (SubjectKind.DEVICE,)
MESSAGE = (SubjectKind.MESSAGE,)

KINDS = "all symbols, only functions, or only exported symbols"
