"""Reader of what is attached to functions of modules: kprobes and BPF programs.

Sources: `report_probe` in `kernel/kprobes.c`, `t_show` in `kernel/trace/ftrace.c`. Only root
may read these files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, counted, decode
from kmodtui.model.usage import Use, UseKind

KPROBES = "/sys/kernel/debug/kprobes/list"
TRACED = ("/sys/kernel/tracing/enabled_functions", "/sys/kernel/debug/tracing/enabled_functions")

_KPROBE = re.compile(r"[0-9a-f]+\s+[kr]\s+(\S+)\+0x[0-9a-f]+\s+([A-Za-z0-9_]{1,55})(?:\s|$)")
_TRACED = re.compile(r"(\S+) \[([A-Za-z0-9_]{1,55})\] \(\d+\)")
_TRAMPOLINE = re.compile(r"\sdirect-->bpf_trampoline_")


def kprobe_uses(host: Host) -> Iterator[tuple[str, Use]]:
    """Yield a use for each module that has kprobes in it.

    A kprobe takes no reference: it stops working when the module is unloaded.

    Raises:
        PermissionError: only root may read the list.
    """
    probed: dict[str, list[str]] = {}
    for line in _lines(host, KPROBES):
        if (match := _KPROBE.match(line)) and "[GONE]" not in line:
            probed.setdefault(match[2], []).append(match[1])
    for module, functions in probed.items():
        yield module, _use(UseKind.PROBE, functions, f"{KPROBES}: {functions[0]} {module}")


def bpf_uses(host: Host) -> Iterator[tuple[str, Use]]:
    """Yield a use for each module that has BPF programs attached to its functions.

    A trampoline of such a program takes a reference on the module, except on old kernels.

    Raises:
        PermissionError: only root may read the list.
    """
    attached: dict[str, list[str]] = {}
    path = next((path for path in TRACED if _exists(host, path)), TRACED[0])
    function = module = ""
    for line in _lines(host, path):
        if match := _TRACED.match(line):
            function, module = match.groups()
        elif not line[:1].isspace():
            module = ""
        if module and _TRAMPOLINE.search(f" {line}"):
            attached.setdefault(module, []).append(function)
    for module, functions in attached.items():
        proof = f"{path}: {functions[0]} [{module}] direct-->bpf_trampoline"
        yield module, _use(UseKind.BPF, functions, proof, possible=True)


def _use(kind: UseKind, functions: list[str], evidence: str, *, possible: bool = False) -> Use:
    names = list(dict.fromkeys(functions))
    what = f"on {counted(len(names), 'function')}: {', '.join(names[:3])}"
    what += ", …" if len(names) > 3 else ""
    return Use(kind, clean(what), clean(evidence), references=0, possible=possible)


def _exists(host: Host, path: str) -> bool:
    """Return whether a file exists, or may: its directory cannot be searched by this user."""
    try:
        host.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _lines(host: Host, path: str) -> list[str]:
    try:
        return decode(host.read(path)).splitlines()
    except PermissionError:
        raise
    except OSError:
        return []
