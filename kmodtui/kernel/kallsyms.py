"""Reader of /proc/kallsyms, as fast as `cat`: rows are split by owner, and parsed later.

The file has 100,000 to 260,000 rows: those of the kernel itself, then those of each module
in one run, newest module first, then those of the pseudo-owners (`[__builtin__ftrace]`,
`[bpf]`). So the end of a run is found by bisection, and a run that equals the one of the
last reading is recognized by one comparison.
"""

from __future__ import annotations

import re

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.model.symbols.table import NO_ROWS, SymbolRows, SymbolTable
from kmodtui.model.text import clean, decode

PATH = "/proc/kallsyms"

# A read() of a seq_file returns at most a page, however large the buffer is; a larger
# buffer only costs the time to allocate it for every read.
_PIECE = 16 * 1024
_NULL = re.compile(rb"(?m)^ *\(null\)(?= )")


def is_pseudo_owner(name: str) -> bool:
    """Return whether a bracketed owner in kallsyms is not a module (BPF, trampolines)."""
    return name == "bpf" or name.startswith("__builtin__")


def read_symbols(host: Host, previous: SymbolTable | None = None) -> SymbolTable:
    """Return the symbol table as it is now.

    Args:
        host: the system to read.
        previous: an earlier reading, whose unchanged rows are reused.

    Raises:
        UnreadableError: /proc/kallsyms does not exist, or this user may not read it.
    """
    try:
        data = _read_pieces(host)
    except FileNotFoundError:
        raise UnreadableError(
            "There is no /proc/kallsyms: this kernel was built without CONFIG_KALLSYMS."
            if host.live
            else "This captured tree has no /proc/kallsyms."
        ) from None
    except PermissionError:
        raise UnreadableError(
            "This user may not read /proc/kallsyms.",
            "Its mode was changed on this machine; ask the administrator.",
        ) from None
    except OSError as error:
        raise UnreadableError(f"{PATH} cannot be read: {error.strerror or error}.") from error
    return parse_symbols(data, previous)


def _read_pieces(host: Host) -> bytes:
    pieces = []
    with host.open(PATH) as file:
        while piece := file.read(_PIECE):
            pieces.append(piece)
    return b"".join(pieces)


def parse_symbols(data: bytes, previous: SymbolTable | None = None) -> SymbolTable:
    """Return the table in the bytes of /proc/kallsyms.

    A last line without a newline was truncated and is skipped.
    """
    data = data[: data.rfind(b"\n") + 1]
    if b"(null) " in data:
        # Some kernels print a hidden address as a null pointer, padded with blanks.
        data = _NULL.sub(lambda match: b"0" * len(match[0]), data)
    # Only rows with an owner hold a tab.
    first_tab = data.find(b"\t")
    core_end = data.rfind(b"\n", 0, first_tab) + 1 if first_tab >= 0 else len(data)
    core_runs = [SymbolRows(data[:core_end])]
    modules: dict[str, list[SymbolRows]] = {}
    pseudo: dict[str, list[SymbolRows]] = {}
    position, scattered, one_run_each = core_end, False, True
    while position < len(data):
        owner = _owner_at(data, position)
        name = clean(decode(owner))
        known = previous.of(name) if previous is not None else NO_ROWS
        if not (known and data.startswith(known.raw, position)):
            end = _run_end(data, position, owner) if one_run_each else None
            if end is None:
                one_run_each = False
                end = _next_owner(data, position, owner)
            known = SymbolRows(data[position:end])
        position += len(known.raw)
        if not owner:
            core_runs.append(known)
            scattered = True
            continue
        rows = pseudo if is_pseudo_owner(name) else modules
        scattered = scattered or (rows is modules and name in rows)
        rows.setdefault(name, []).append(known)
    core = _joined(core_runs)
    if previous is not None and previous.core.raw == core.raw:
        core = previous.core
    return SymbolTable(
        core,
        {name: _joined(runs) for name, runs in modules.items()},
        {name: _joined(runs) for name, runs in pseudo.items()},
        scattered,
    )


def _joined(runs: list[SymbolRows]) -> SymbolRows:
    """Return the rows of several runs of one owner; of a single run, the same object."""
    return runs[0] if len(runs) == 1 else SymbolRows(b"".join(run.raw for run in runs))


def _owner_at(data: bytes, line: int) -> bytes:
    """Return the owner of the row that starts at `line`: empty for the kernel or past the end."""
    end = data.find(b"\n", line)
    if end < 0 or not data.endswith(b"]", line, end):
        return b""
    tab = data.rfind(b"\t[", line, end)
    return data[tab + 2 : end - 1] if tab >= 0 else b""


def _next_owner(data: bytes, start: int, owner: bytes) -> int:
    """Return where the run of `owner`'s rows that begins at `start` ends, row by row."""
    end = data.find(b"\n", start) + 1
    while end < len(data) and _owner_at(data, end) == owner:
        end = data.find(b"\n", end) + 1
    return end


def _run_end(data: bytes, start: int, owner: bytes) -> int | None:
    """Return the same by bisection; None if the owner has more than one run.

    A read during which a module was loaded can have two. From there on, rows are looked at
    one by one: a bisection that fails for every run would read the rest again for each.
    """
    end = _bisect_run_end(data, start, owner)
    if data.count(b"\t[%b]\n" % owner, start, end) == data.count(b"\n", start, end):
        return end
    return None


def _bisect_run_end(data: bytes, start: int, owner: bytes) -> int:
    """Return the end of a run, which is wrong if the owner has more than one.

    Steps ahead in doubling steps while the row there is still the owner's, then bisects:
    a run of n rows takes log n comparisons instead of n.
    """
    inside = start  # start of a row that is the owner's
    step = 4096
    outside = len(data)
    while inside + step < len(data):
        row = data.rfind(b"\n", start, inside + step) + 1
        if row <= inside:
            step *= 2
            continue
        if _owner_at(data, row) != owner:
            outside = row
            break
        inside = row
        step *= 2
    while True:
        middle = data.rfind(b"\n", inside, (inside + outside) // 2) + 1
        if middle <= inside:
            break
        if _owner_at(data, middle) == owner:
            inside = middle
        else:
            outside = middle
    # A few rows are left between them.
    while inside < outside and _owner_at(data, inside) == owner:
        inside = data.find(b"\n", inside) + 1
    return inside
