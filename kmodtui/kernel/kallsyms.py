"""Reader of /proc/kallsyms, as fast as `cat`: split into owners, parsed by nobody yet.

The file holds 100,000 to 260,000 rows. The kernel's own rows come first, then
each module's rows in one run, newest module first, then the pseudo-owners
(`[__builtin__ftrace]`, `[bpf]`). So a run's end is found by leaping, and a run
that equals the one of the last reading is recognised by one comparison.
"""

from __future__ import annotations

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.model.symbols.table import NO_ROWS, SymbolRows, SymbolTable
from kmodtui.model.text import clean, decode

PATH = "/proc/kallsyms"

# A read() of a seq_file gives at most a page, however large the buffer is; a
# buffer of 1 MiB only costs the time to allocate it at every read.
_PIECE = 16 * 1024


def is_pseudo_owner(name: str) -> bool:
    """Return whether a bracketed owner in kallsyms is no module (BPF, trampolines)."""
    return name == "bpf" or name.startswith("__builtin__")


def read_symbols(host: Host, previous: SymbolTable | None = None) -> SymbolTable:
    """Return the symbol table now.

    Args:
        host: the system to read.
        previous: an earlier reading; what has not changed is taken from it.

    Raises:
        UnreadableError: there is no /proc/kallsyms, or it may not be read.
    """
    try:
        data = _read_pieces(host)
    except FileNotFoundError:
        raise UnreadableError(
            "There is no /proc/kallsyms: this kernel was built without CONFIG_KALLSYMS."
        ) from None
    except PermissionError:
        raise UnreadableError(
            "/proc/kallsyms may not be read by this user.",
            "Its mode was changed on this machine; ask its administrator.",
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

    A last line without its newline was cut off and is left out.
    """
    data = data[: data.rfind(b"\n") + 1]
    # Only rows with an owner hold a tab.
    first_tab = data.find(b"\t")
    core_end = data.rfind(b"\n", 0, first_tab) + 1 if first_tab >= 0 else len(data)
    core_runs = [data[:core_end]]
    modules: dict[str, SymbolRows] = {}
    pseudo: dict[str, SymbolRows] = {}
    position, scattered = core_end, False
    while position < len(data):
        owner = _owner_at(data, position)
        name = clean(decode(owner))
        known = previous.of(name) if previous is not None else NO_ROWS
        if not (known and data.startswith(known.raw, position)):
            known = SymbolRows(data[position : _run_end(data, position, owner)])
        position += len(known.raw)
        if not owner:
            core_runs.append(known.raw)
            scattered = True
            continue
        rows = pseudo if is_pseudo_owner(name) else modules
        if name in rows:
            known = SymbolRows(rows[name].raw + known.raw)
            scattered = scattered or rows is modules
        rows[name] = known
    core = SymbolRows(b"".join(core_runs))
    if previous is not None and previous.core.raw == core.raw:
        core = previous.core
    return SymbolTable(core, modules, pseudo, scattered)


def _owner_at(data: bytes, line: int) -> bytes:
    """Return the owner of the row that starts at `line`: empty for the kernel or past the end."""
    end = data.find(b"\n", line)
    if end < 0 or not data.endswith(b"]", line, end):
        return b""
    tab = data.rfind(b"\t[", line, end)
    return data[tab + 2 : end - 1] if tab >= 0 else b""


def _run_end(data: bytes, start: int, owner: bytes) -> int:
    """Return where the run of `owner`'s rows that begins at `start` ends."""
    end = _leap_to_run_end(data, start, owner)
    # Leaps take one run an owner for granted. A reading during which a module was
    # loaded can hold two, and then the rows between them were leapt over.
    if data.count(b"\t[%b]\n" % owner, start, end) == data.count(b"\n", start, end):
        return end
    end = data.find(b"\n", start) + 1
    while end < len(data) and _owner_at(data, end) == owner:
        end = data.find(b"\n", end) + 1
    return end


def _leap_to_run_end(data: bytes, start: int, owner: bytes) -> int:
    """Return the same, if the owner has one run only.

    Leaps ahead in doubling steps while the row there is still the owner's, then
    closes in by halves: a run of n rows costs log n looks instead of n.
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
    # What is left between them is a few rows: walk them.
    while inside < outside and _owner_at(data, inside) == owner:
        inside = data.find(b"\n", inside) + 1
    return inside
