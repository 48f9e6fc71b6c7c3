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
from importlib import import_module
from typing import Any, NoReturn

from kmodtui import __version__
from kmodtui.errors import (
    KmodtuiError,
    UnfitTerminalError,
    UsageError,
)
from kmodtui.kernel.host import Host, LocalHost
from kmodtui.model.text import clean
from kmodtui.services.config import INTERVALS
from kmodtui.verbs.printing import complain

VERBS = {
    "list": "the modules that are loaded, newest first",
    "info": "what modinfo says of modules or .ko files",
    "catalog": "the modules that a kernel release has, loaded or not, searched",
    "tree": "what a module needs, or what needs it",
    "plan": "what a load, an unload or a reload would do, step by step",
    "linkage": "which symbols a module takes from whom, and gives to whom",
    "check": "whether this kernel would take a .ko file, and why not",
    "symbols": "the symbols of /proc/kallsyms",
    "snapshot": "modules and symbols of this moment, in a file to compare with later",
    "diff": "what came and went between two snapshots, or a snapshot and now",
    "experiment": "load a module, see what comes, unload it, see what stays",
    "helper": "the root-owned copy of the helper",
}
"""The verbs in the order of the help, each a module of `kmodtui.verbs`."""

WAYS_TO_ROOT = ("root", "sudo", "doas", "run0", "pkexec")
"""What --elevate takes: `privileged.elevation.LADDER`, known without importing it."""

_ENDED_BY_SIGPIPE = 128 + 13  # what a shell says of a filter whose reader has gone


def run(arguments: list[str]) -> int:
    """Do what the arguments ask for; return the exit status: 0 well, 1 failed, 2 asked wrongly."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb is None:
            return _dashboard(options)
        _check_output()
        status: int = _verb(options.verb).run(_host(options), options)
        sys.stdout.flush()
        return status
    except KmodtuiError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # A reader such as `head` that has seen enough ends a verb like any other filter.
        _forget_output()
        return _ENDED_BY_SIGPIPE
    except OSError as error:
        _forget_output()
        complain(KmodtuiError(f"{error.filename or 'The output'}: {error.strerror or error}."))
        return 1
    except MemoryError:
        complain(KmodtuiError("There is not enough memory for this."))
        return 1
    except Exception as error:
        complain(_fault(error))
        return 1


def _fault(error: Exception) -> KmodtuiError:
    """Write the traceback of what nobody foresaw to the log file; return what to tell."""
    import logging

    from kmodtui.services.log_file import open_log

    logging.raiseExceptions = False  # a full disk would put it on the screen after all
    log_file = open_log()
    logging.getLogger("kmodtui").error("kmodtui failed", exc_info=error)
    return KmodtuiError(
        "kmodtui failed; this is a fault of kmodtui, not of your machine.",
        f"{log_file} has the details." if log_file and log_file.is_file() else "",
    )


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


class _VerbParser(_Parser):
    """The parser of one verb, which knows its arguments once it is asked to parse them.

    So of all the verbs only the one that is typed is imported.
    """

    _known = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, as argparse does for the verb that it has found."""
        self.learn_arguments()
        return super().parse_known_args(args, namespace)

    def learn_arguments(self) -> None:
        """Ask the verb for its arguments, once; a verb below it has got them already."""
        name = self.get_default("verb")
        if name and not self._known:
            self._known = True
            _verb(name).add_arguments(self)


def _verb(name: str) -> Any:
    return import_module(f"kmodtui.verbs.{name}")


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
        epilog="The dashboard's options can be kept in kmodtui/config.toml of your configuration "
        "folder; what is typed here wins.",
    )
    parser.add_argument("--version", action="version", version=f"kmodtui {__version__}")
    parser.add_argument(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help="read the kernel this often where nothing wakes kmodtui (default 1)",
    )
    # Where neither a word nor its opposite is typed, the configuration decides.
    either = argparse.BooleanOptionalAction
    parser.add_argument("--read-only", action=either, help="never ask for root")
    parser.add_argument(
        "--elevate",
        choices=WAYS_TO_ROOT,
        default="",
        help="how to get root: instead of the first of these that works here",
    )
    parser.add_argument("--light", action=either, help="for a light terminal")
    parser.add_argument(
        "--mouse", action=either, help="take the mouse, or leave it to the terminal"
    )
    parser.set_defaults(verb=None)
    verbs: Any = parser.add_subparsers(
        title="verbs that print and end", metavar="VERB", parser_class=_VerbParser
    )
    for name, words in VERBS.items():
        verb = verbs.add_parser(name, parents=[common], help=words, description=words)
        verb.set_defaults(verb=name)
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
                "With ssh, use ssh -t. The verbs print without one: kmodtui --help names them.",
            )
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        raise UnfitTerminalError(
            f"The dashboard cannot be drawn on a terminal of type “{clean(term) or 'none'}”.",
            "Set TERM to what your terminal is, such as xterm-256color. "
            "The verbs print on any: kmodtui --help names them.",
        )
