"""The command line: arguments, the verbs that print, and the way into the dashboard.

The verbs share the readers with the dashboard and never import textual, so
that they answer as fast as the tools they stand beside.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from kmodtui import __version__
from kmodtui.errors import (
    KmodtuiError,
    UnfitTerminalError,
    UnknownModuleError,
    UnreadableError,
    UsageError,
)
from kmodtui.helper_verbs import add_helper_verbs, run_helper_verb
from kmodtui.kernel.host import Host, LocalHost
from kmodtui.model.text import clean, decode

INTERVALS = (0.2, 60.0)
"""Seconds between two readings: the least and the most that may be asked for."""

WAYS_TO_ROOT = ("root", "sudo", "doas", "pkexec")
"""What --elevate takes: `privileged.elevation.LADDER`, known without importing it."""

_ENDED_BY_SIGPIPE = 128 + 13  # what a shell says of a filter whose reader has gone


def run(arguments: list[str]) -> int:
    """Do what the arguments ask for; return the exit status: 0 well, 1 failed, 2 asked wrongly."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb is None:
            return _dashboard(options)
        _check_output()
        verb: Callable[[Host, argparse.Namespace], int] = options.verb
        status = verb(_host(options), options)
        sys.stdout.flush()
        return status
    except KmodtuiError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # A reader such as `head` that has seen enough ends a verb like any other filter.
        _forget_output()
        return _ENDED_BY_SIGPIPE
    except OSError as error:
        _forget_output()
        _complain(KmodtuiError(f"{error.filename or 'The output'}: {error.strerror or error}."))
        return 1


def _complain(error: KmodtuiError) -> None:
    # Without a standard error, print would fall back to the standard output.
    if sys.stderr is not None:
        print(f"kmodtui: {clean(error.message)}", file=sys.stderr)
        if error.hint:
            print(f"         {clean(error.hint)}", file=sys.stderr)


def _check_output() -> None:
    """See to it that a verb can print whatever it finds.

    Raises:
        UnfitTerminalError: the standard output is closed.
    """
    if sys.stdout is None:
        raise UnfitTerminalError("The standard output is closed: there is nowhere to print to.")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name can hold what the terminal's character set has not.
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Drop what could not be printed: Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints hold what was typed, but nothing that a terminal obeys."""

    def error(self, message: str) -> NoReturn:
        super().error(clean(message))


def _parser() -> argparse.ArgumentParser:
    # After a verb an option that is not given must not undo the one given before it.
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--root", metavar="DIR", help="look at DIR/proc, DIR/sys, DIR/lib/modules")
    common.add_argument("--kernel", metavar="RELEASE", help="modules of this release")
    common.add_argument("--demo", action="store_true", help="look at a recorded Debian system")

    parser = _Parser(
        prog="kmodtui",
        parents=[common],
        description="Shows what Linux kernel modules do to a running kernel. "
        "Without a verb: the dashboard.",
    )
    parser.add_argument("--version", action="version", version=f"kmodtui {__version__}")
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="read the kernel this often where nothing wakes kmodtui (default 1)",
    )
    parser.add_argument("--read-only", action="store_true", help="never ask for root")
    parser.add_argument(
        "--elevate",
        choices=WAYS_TO_ROOT,
        default="",
        help="how to get root: instead of the first of these that works here",
    )
    parser.add_argument("--light", action="store_true", help="for a light terminal")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(title="verbs that print and end", metavar="VERB")

    def verb(name: str, action: Callable[[Host, argparse.Namespace], int], words: str) -> Any:
        added = verbs.add_parser(name, parents=[common], help=words, description=words)
        added.add_argument("--json", action="store_true", help="as JSON")
        added.set_defaults(verb=action)
        return added

    verb("list", _list, "the modules that are loaded, newest first")
    info = verb("info", _info, "what modinfo says of modules or .ko files")
    info.add_argument("what", nargs="+", metavar="NAME|FILE")
    tree = verb("tree", _tree, "what a module needs, or what needs it")
    tree.add_argument("name", metavar="NAME")
    tree.add_argument("--reverse", action="store_true", help="what needs it")
    symbols = verb("symbols", _symbols, "the symbols of /proc/kallsyms")
    symbols.add_argument("--module", metavar="NAME", help="of this module only")
    symbols.add_argument("--counts", action="store_true", help="how many each module has")
    helper = verbs.add_parser("helper", parents=[common], help="the root-owned copy of the helper")
    helper.set_defaults(verb=_helper)
    add_helper_verbs(helper)
    return parser


def _seconds(text: str) -> float:
    least, most = INTERVALS
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"between {least} and {most:.0f} seconds, please")
    return value


# Which machine


def _host(options: argparse.Namespace) -> Host:
    root = getattr(options, "root", None)
    if getattr(options, "demo", False):
        if root is not None:
            raise UsageError("--demo and --root cannot be had together.", "Leave one of them out.")
        from kmodtui.demo import open_demo

        return open_demo(pace=0).host
    return _local_host(root)


def _local_host(root: str | None) -> LocalHost:
    if root is None:
        return LocalHost()
    if not os.path.isdir(root):
        raise UsageError(f"{root} is no folder.", "--root wants one that holds proc, sys and lib.")
    return LocalHost(os.path.abspath(root))


def _release(host: Host, options: argparse.Namespace) -> str:
    from kmodtui.kernel.system import read_system

    release: str | None = getattr(options, "kernel", None) or read_system(host).release
    if not release:
        raise UsageError("The kernel's release is not known.", "Say which one with --kernel.")
    return release


# Verbs


def _print_json(value: Any) -> None:
    """Print JSON, which writes out all but ASCII in its own way, for terminals and programs."""
    import json

    json.dump(value, sys.stdout, indent=2)
    print()


def _list(host: Host, options: argparse.Namespace) -> int:
    from kmodtui.kernel.proc_modules import read_modules

    table = read_modules(host)
    for line in table.malformed:
        _complain(UnreadableError(f"A line of /proc/modules makes no sense: {line}"))
    if options.json:
        keys = ("name", "size", "refcount", "users", "state", "taints", "permanent", "address")
        _print_json([{key: getattr(module, key) for key in keys} for module in table])
        return 0
    width = max((len(module.name) for module in table), default=4)
    print(f"{'Module':<{width}}  {'Size':>10}  {'Refs':>4}  {'State':<9}  {'Taint':<5}  Used by")
    for module in table:
        refs = "-" if module.refcount is None else module.refcount
        used_by = " ".join((*(("[permanent]",) if module.permanent else ()), *module.users))
        line = (
            f"{module.name:<{width}}  {module.size:>10}  {refs:>4}  "
            f"{module.state:<9}  {module.taints:<5}  {used_by}"
        )
        print(line.rstrip())
    return 0


def _info(host: Host, options: argparse.Namespace) -> int:
    from dataclasses import replace

    from kmodtui.kernel.catalog import find_module, is_path
    from kmodtui.model.module_info import ModuleInfo, modinfo_lines, modinfo_text

    infos: list[ModuleInfo] = []
    status = 0
    root = os.path.abspath(getattr(options, "root", "/")).rstrip("/")
    for what in options.what:
        try:
            if is_path(what, LocalHost()):
                # It needs no release, and that of another machine may well not be here.
                infos += find_module(host, "", what, files=LocalHost())
                continue
            for info in find_module(host, _release(host, options), what):
                # As `modinfo --basedir` does: where the file lies on this machine.
                path = info.filename if info.builtin else root + info.filename
                infos.append(replace(info, filename=path))
        except KmodtuiError as error:
            _complain(error)
            status = error.exit_code
    if options.json:
        _print_json([_info_json(info) for info in infos])
        return status
    for info in infos:
        if sys.stdout.isatty():
            print("\n".join(modinfo_text(info)))
        else:
            # Bytes as they are, for whatever reads them next: the same as modinfo.
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(line + b"\n" for line in modinfo_lines(info)))
            sys.stdout.buffer.flush()
    return status


def _info_json(info: Any) -> dict[str, Any]:
    """Return what there is to tell, as it stands: what JSON escapes need not be clean."""
    from kmodtui.model.module_info import parameter_strings

    fields: dict[str, list[str]] = {}
    for field in info.fields:
        if field.raw_key not in (b"parm", b"parmtype"):
            fields.setdefault(decode(field.raw_key), []).append(decode(field.raw))
    signature = info.signature
    return {
        # Without the surrogates of a path in Python: strict readers refuse them.
        "name": decode(os.fsencode(info.name)),
        "filename": decode(os.fsencode(info.filename)),
        "fields": fields,
        "parameters": [
            {
                "name": decode(name),
                "type": decode(kind or b""),
                "description": decode(description or b""),
            }
            for name, description, kind in parameter_strings(info.fields)
        ],
        "signature": signature
        and {
            "id_type": signature.id_type,
            "signer": decode(signature.signer),
            "key": signature.key_id.hex(":").upper(),
            "hash": signature.hash_algorithm,
        },
    }


def _tree(host: Host, options: argparse.Namespace) -> int:
    from kmodtui.model.graph import branch_prefix, walk
    from kmodtui.model.modules import canonical
    from kmodtui.services.neighbours import read_neighbours

    name = canonical(options.name)
    neighbours = read_neighbours(host, getattr(options, "kernel", None))
    if not neighbours.knows(name):
        raise neighbours.unknown(name)
    step = neighbours.users if options.reverse else neighbours.needs
    nodes = list(walk(step, name))
    if options.json:
        _print_json(_nested(iter(nodes), neighbours.loaded))
        return 0
    for node in nodes:
        marks = "" if node.name in neighbours.loaded else "  (not loaded)"
        again = "  (see above)" if node.repeated else ""
        print(f"{branch_prefix(node.last)}{clean(node.name)}{marks}{again}")
    return 0


def _nested(nodes: Iterator[Any], loaded: frozenset[str]) -> dict[str, Any]:
    """Return a walk, which comes depth first, as objects in objects."""
    path: list[dict[str, Any]] = []
    for node in nodes:
        entry: dict[str, Any] = {"name": node.name, "loaded": node.name in loaded, "modules": []}
        if node.repeated:
            entry["repeated"] = True
        del path[node.depth :]
        if path:
            path[-1]["modules"].append(entry)
        path.append(entry)
    return path[0]


def _symbols(host: Host, options: argparse.Namespace) -> int:
    from kmodtui.kernel.kallsyms import read_symbols
    from kmodtui.model.modules import canonical

    table = read_symbols(host)
    module = canonical(options.module) if options.module is not None else None
    if module is not None and module not in table.modules:
        raise UnknownModuleError(
            f"/proc/kallsyms has no symbols of a module {module}.",
            "It is not loaded, or has none. kmodtui list shows what is loaded.",
        )
    if options.counts:
        counts = {module: len(table.of(module))} if module is not None else table.counts()
        if options.json:
            _print_json(counts)
            return 0
        for name, count in counts.items():
            print(f"{count:>7} {name}")
        return 0
    owners = [(module, table.of(module))] if module is not None else [("", table.core)]
    if module is None:
        owners += [*table.modules.items(), *table.pseudo.items()]
    rows = ((owner, symbol) for owner, found in owners for symbol in found)
    if options.json:
        _print_json(
            [
                {
                    "name": symbol.name,
                    "type": symbol.type,
                    "module": owner or None,
                    "address": symbol.address,
                }
                for owner, symbol in rows
            ]
        )
        return 0
    # An address has as many digits as a pointer of that kernel: eight where it has 32 bits.
    first = next((found.raw for _, found in owners if found.raw), b"")
    digits = 8 if first.find(b" ") == 8 else 16
    for owner, symbol in rows:
        tail = f"\t[{owner}]" if owner else ""
        print(f"{symbol.address:0{digits}x} {symbol.type} {symbol.name}{tail}")
    return 0


def _helper(_: Host, options: argparse.Namespace) -> int:
    if hasattr(options, "root") or hasattr(options, "demo"):
        raise UsageError("The helper is this machine's.", "Leave --root and --demo out.")
    return run_helper_verb(options)


# The dashboard


def _dashboard(options: argparse.Namespace) -> int:
    _check_terminal()
    root = getattr(options, "root", None)
    demo = getattr(options, "demo", False)
    if demo and root is not None:
        raise UsageError("--demo and --root cannot be had together.", "Leave one of them out.")
    if root is not None:
        _local_host(root)
    # What is imported stays: to look for garbage in it takes a tenth of the start, and
    # afterwards a part of every later look.
    gc.disable()
    from kmodtui.ui.launch import open_dashboard

    gc.freeze()
    gc.enable()
    return open_dashboard(options, root, demo=demo)


def _check_terminal() -> None:
    """Refuse where a dashboard would only spill escape sequences.

    Raises:
        UnfitTerminalError: there is no terminal, or one that is known to be dumb.
    """
    for name, stream in (("input", sys.stdin), ("output", sys.stdout), ("error", sys.stderr)):
        if stream is None or not stream.isatty():
            raise UnfitTerminalError(
                f"The dashboard needs a terminal, and its standard {name} is none.",
                "With ssh, use ssh -t. kmodtui list, info, tree and symbols print without one.",
            )
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        raise UnfitTerminalError(
            f"The dashboard cannot be drawn on a terminal of type “{clean(term) or 'none'}”.",
            "Set TERM to what your terminal is, such as xterm-256color. "
            "kmodtui list, info, tree and symbols print on any.",
        )
