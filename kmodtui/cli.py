"""The command line: parses the arguments and starts a verb or the dashboard.

A verb never imports textual, so that it starts as fast as lsmod or modinfo.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NoReturn

from kmodtui import __version__
from kmodtui.errors import (
    KmodtuiError,
    UnsuitableTerminalError,
    UsageError,
)
from kmodtui.kernel.host import Host, LocalHost
from kmodtui.model.encoding import ESCAPED
from kmodtui.model.text import clean
from kmodtui.model.ways_to_root import WAYS_TO_ROOT
from kmodtui.verbs.printing import print_error

VERBS = {
    "list": "list the loaded modules, newest first",
    "info": "show information about modules or .ko files, as modinfo does",
    "about": "show what a module does, supports and needs, and who needs it",
    "why": "show why a module is loaded, and why it cannot be unloaded",
    "catalog": "list or search all modules of a kernel release",
    "tree": "show the dependencies or the dependents of a module",
    "plan": "show what a load, unload or reload would do, step by step",
    "load": "load modules, or insert .ko files, and verify it",
    "unload": "unload modules, and verify it",
    "reload": "unload modules and load them again, with the same parameters",
    "set": "change parameters of a loaded module",
    "blacklist": "keep modules from being loaded by an alias",
    "unblacklist": "remove modules from kmodtui's blacklist",
    "block": "keep modules from being loaded by modprobe, and verify it",
    "unblock": "remove modules from kmodtui's block file",
    "keep": "have modules loaded at boot, and keep their options",
    "forget": "remove modules and options from what kmodtui keeps",
    "watch": "load each rebuild of a module that is being developed",
    "events": "print everything that happens to modules, as it happens, whoever does it",
    "record": "record everything that happens to modules in a file, for days",
    "seen": "list every module that was ever seen loaded here",
    "exposure": "show who can make the kernel load each module",
    "crosscheck": "look for modules that some parts of the kernel show and others do not",
    "next": "show what changes for modules with another installed kernel",
    "rules": "list the rules of modprobe.d, what each does, and why some do nothing",
    "doctor": "check what this system lets you do with modules, and what is wrong",
    "audit": "check modules against a policy, such as a hardening guide, for each kernel",
    "devices": "list the devices, and the modules that drive them or could",
    "linkage": "show the symbols that a module imports and exports",
    "check": "check whether this kernel would accept a .ko file",
    "symbols": "list or search the symbols in /proc/kallsyms",
    "report": "write an archive with everything that a bug report needs",
    "snapshot": "save the loaded modules and all symbols to a file",
    "diff": "compare two snapshots, or a snapshot with the running system",
    "experiment": "load a module, show what changed, unload it, show what remains",
    "config": "show, write or check the configuration file",
    "helper": "install, inspect or remove the root-owned copy of the helper",
}
"""The verbs and their help, in the order of `--help`; each is a module of `kmodtui.verbs`."""

REPLAYING = ("events", "report", "seen")
"""The verbs that also read recordings."""

_ENDED_BY_SIGPIPE = 128 + 13
"""The status a shell reports for a process that SIGPIPE ended."""


def run(arguments: list[str]) -> int:
    """Run a verb or the dashboard; return the exit status: 0 success, 1 failure, 2 usage error."""
    verbs = arguments[:1] if arguments[:1] and arguments[0] in VERBS else VERBS
    options = _parser(verbs).parse_args(arguments)
    failed = 1
    try:
        if options.verb is None:
            return _dashboard(options)
        _check_output()
        if options.replay is not None and options.verb not in REPLAYING:
            raise UsageError(
                f"kmodtui {options.verb} reads a system, not a recording.", "Leave out --replay."
            )
        verb = _verb(options.verb)
        failed = getattr(verb, "FAILED", failed)
        host = _host(options)
        _enable_garbage_collection()
        status: int = verb.run(host, options)
        sys.stdout.flush()
        return status
    except KmodtuiError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, closed the pipe: end as any other filter does.
        _discard_output()
        return _ENDED_BY_SIGPIPE
    except OSError as error:
        _discard_output()
        subject = error.filename or "Cannot write the output"
        print_error(KmodtuiError(f"{subject}: {error.strerror or error}."))
        return failed
    except MemoryError:
        print_error(KmodtuiError("Out of memory."))
        return failed
    except Exception as error:
        print_error(_internal_error(error))
        return failed


def _enable_garbage_collection() -> None:
    """Collect garbage from now on, if `kmodtui.__main__` has disabled it, but no modules."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _internal_error(error: Exception) -> KmodtuiError:
    """Write the traceback of an unexpected exception to the log file; return the error to print."""
    import logging

    from kmodtui.services.log_file import open_log

    logging.raiseExceptions = False  # on a full disk, logging would print the traceback instead
    log_file = open_log()
    logging.getLogger("kmodtui").error("internal error", exc_info=error)
    return KmodtuiError(
        "Internal error (a bug in kmodtui).",
        f"See the log file {log_file}." if log_file and log_file.is_file() else "",
    )


def _check_output() -> None:
    """Prepare standard output for any text.

    Raises:
        UnsuitableTerminalError: standard output is closed.
    """
    if sys.stdout is None:
        raise UnsuitableTerminalError("Standard output is closed.")
    # A name can contain characters that the encoding of the terminal cannot represent.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)


def _discard_output() -> None:
    """Discard buffered output that cannot be written: Python would try again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return a formatter that is as wide as the terminal.

    argparse makes one for every argument, and imports shutil to know the width.
    """
    columns = os.environ.get("COLUMNS", "")
    try:
        width = int(columns) if columns else os.get_terminal_size(1).columns
    except (ValueError, OSError):
        width = 0
    return argparse.HelpFormatter(prog, width=(width or 80) - 2)


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages contain no control characters of the arguments."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _formatter, **options})

    def error(self, message: str) -> NoReturn:
        super().error(clean(message))


class _VerbParser(_Parser):
    """The parser of one verb; adds the verb's arguments only when it is used.

    So only the module of the verb that was typed is imported.
    """

    _known = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments of the verb; argparse calls this for the verb that was typed."""
        self.learn_arguments()
        return super().parse_known_args(args, namespace)

    def learn_arguments(self) -> None:
        """Add the verb's arguments, once; parsers below it, as of `helper install`, have theirs."""
        name = self.get_default("verb")
        if name and not self._known:
            self._known = True
            _verb(name).add_arguments(self)


def _verb(name: str) -> Any:
    return import_module(f"kmodtui.verbs.{name}")


def _parser(names: Iterable[str] = VERBS) -> argparse.ArgumentParser:
    """Return the parser of the command line, with the parsers of these verbs."""
    # Without SUPPRESS, the default of an option after the verb would replace the value that
    # was given before the verb.
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--root", metavar="DIR", help="read DIR/proc, DIR/sys and DIR/lib/modules")
    common.add_argument("--kernel", metavar="RELEASE", help="use the modules of this release")
    common.add_argument("--demo", action="store_true", help="use a recorded Debian system")

    parser = _Parser(
        prog="kmodtui",
        parents=[common],
        description="Show what Linux kernel modules do to a running kernel. "
        "Without a verb, kmodtui opens the dashboard.",
        epilog="The options of the dashboard can also be set in ~/.config/kmodtui/config.toml. "
        "The command line takes precedence.",
    )
    parser.add_argument("--version", action="version", version=f"kmodtui {__version__}")
    parser.add_argument(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help="polling interval if the kernel sends no events (default: 1)",
    )
    # The value is None if neither the option nor its opposite was given: the configuration decides.
    either = argparse.BooleanOptionalAction
    parser.add_argument("--read-only", action=either, help="never ask for root privileges")
    parser.add_argument(
        "--elevate",
        choices=WAYS_TO_ROOT,
        default="",
        help="how to get root privileges (default: the first of these that works)",
    )
    parser.add_argument("--light", action=either, help="use colours for a light background")
    parser.add_argument(
        "--theme",
        metavar="NAME",
        help="colours: dark, light, high-contrast, ansi, monochrome or your own",
    )
    parser.add_argument("--lite", action=either, help="draw little, for serial and slow lines")
    parser.add_argument("--mouse", action=either, help="use the mouse in the dashboard")
    parser.add_argument(
        "--remember",
        action=either,
        help="begin with the order, filter, pane and layout of the last session",
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        default=None,
        help="show the timeline that kmodtui record wrote, instead of a system",
    )
    parser.set_defaults(verb=None)
    # Without `prog`, argparse formats the usage to find out, for which it imports much.
    verbs: Any = parser.add_subparsers(
        title="verbs", metavar="VERB", parser_class=_VerbParser, prog=parser.prog
    )
    for name in names:
        words = VERBS[name]
        sentence = f"{words[0].upper()}{words[1:]}."
        # The configuration and the helper are this machine's.
        parents = [] if name in ("config", "helper") else [common]
        verb = verbs.add_parser(name, parents=parents, help=words, description=sentence)
        verb.set_defaults(verb=name)
    return parser


def _seconds(text: str) -> float:
    from kmodtui.services.settings import INTERVALS

    least, most = INTERVALS
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most:.0f} seconds")
    return value


# The system to read


def _host(options: argparse.Namespace) -> Host:
    root = getattr(options, "root", None)
    if getattr(options, "demo", False):
        if root is not None:
            raise UsageError("--demo and --root cannot be combined.", "Leave one of them out.")
        from kmodtui.demo import open_demo

        return open_demo(pace=0).host
    return _local_host(root)


def _local_host(root: str | None) -> LocalHost:
    if root is None:
        return LocalHost()
    if not os.path.isdir(root):
        raise UsageError(
            f"{root} is not a directory.", "--root needs a directory with proc, sys and lib in it."
        )
    return LocalHost(os.path.abspath(root))


# The dashboard


def _dashboard(options: argparse.Namespace) -> int:
    _check_terminal()
    root = getattr(options, "root", None)
    demo = getattr(options, "demo", False)
    if demo and root is not None:
        raise UsageError("--demo and --root cannot be combined.", "Leave one of them out.")
    if root is not None:
        _local_host(root)
    from kmodtui.ui.launch import open_dashboard

    _enable_garbage_collection()
    return open_dashboard(options, root, demo=demo)


def _check_terminal() -> None:
    """Refuse to start where the dashboard cannot be drawn.

    Raises:
        UnsuitableTerminalError: a standard stream is not a terminal, or TERM is missing or `dumb`.
    """
    for name, stream in (("input", sys.stdin), ("output", sys.stdout), ("error", sys.stderr)):
        if stream is None or not stream.isatty():
            raise UnsuitableTerminalError(
                f"The dashboard needs a terminal, and standard {name} is not a terminal.",
                "With ssh, use ssh -t. The verbs need no terminal: see kmodtui --help.",
            )
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        raise UnsuitableTerminalError(
            f"The dashboard cannot be drawn on a terminal of type “{clean(term) or 'none'}”.",
            "Set TERM to the type of your terminal, such as xterm-256color. "
            "The verbs need no terminal: see kmodtui --help.",
        )
