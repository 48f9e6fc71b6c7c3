"""What is said when the kernel has set another taint flag."""

from __future__ import annotations

from kmodtui.model.text import clean
from kmodtui.services.taint import TaintCause
from kmodtui.ui.commands import key_of
from kmodtui.ui.dialogs.legend import TAINT_FLAGS


def taint_notice(flag: str, cause: TaintCause) -> str:
    """Return what a flag means, what caused it as far as it is known, and where to read more."""
    meaning = TAINT_FLAGS.get(flag, "kmodtui does not know this flag")
    lines = [f"{meaning[:1].upper()}{meaning[1:]}."]
    if cause.modules:
        word = "Module" if len(cause.modules) == 1 else "Modules"
        lines.append(f"{word}: {', '.join(cause.modules)}")
    if cause.line:
        lines.append(f"Kernel log: {clean(cause.line)}")
    lines.append(f"{key_of('dashboard.legend')} explains all flags.")
    return "\n".join(lines)
