"""`kmodtui watch FILE.ko [KEY=VALUE…]`: load each rebuild of a module that is being developed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import full_path
from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.record import LogRecord
from kmodtui.model.module_info import Parameter
from kmodtui.model.parts import text_of
from kmodtui.model.text import clean
from kmodtui.model.watch.build import BuildDifference, ModuleBuild
from kmodtui.model.watch.page import headline, sections
from kmodtui.model.watch.state import FoundTrouble, Rebuild, Stage, WatchState
from kmodtui.services.machine import Machine
from kmodtui.services.watch.watch import Watch
from kmodtui.verbs.change import FAILED, NO_PRIVILEGES, machine_for
from kmodtui.verbs.printing import add_json, print_error
from kmodtui.verbs.words import split_words

SCHEMA = 1

MOST_SYMBOLS = 40
"""Symbols of a difference that are printed; JSON has all of them."""

ENDS = frozenset((Stage.LOADED, Stage.FAILED, Stage.BROKEN, Stage.REFUSED))
"""The stages at which a rebuild ends."""

_PRINTED = ENDS | {Stage.READY}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "--auto", action="store_true", help="load rebuilds without a key, after the first one"
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="with --auto, load the first one without asking"
    )
    parser.add_argument(
        "--make", default="", metavar="DIR", help="run make in DIR when a source there changes"
    )
    parser.add_argument(
        "--count", type=int, default=0, metavar="N", help="end after this number of rebuilds"
    )
    parser.add_argument(
        "words", nargs="+", metavar="FILE|KEY=VALUE", help="the .ko file, and its parameters"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Watch the file until it is interrupted; return the exit status.

    Raises:
        KmodtuiError: the file cannot be watched.
    """
    files, parameters = split_words(options.words)
    if len(files) > 1:
        raise UsageError("Only one file is watched.", "Start kmodtui watch once for each.")
    if options.count < 0:
        raise UsageError("--count takes a positive number.", "Leave it out to go on.")
    if options.yes and not options.auto:
        raise UsageError("--yes needs --auto.", "Without --auto, a key loads each rebuild.")
    keys = bool(sys.stdin) and sys.stdin.isatty()
    if not keys and not options.yes:
        raise UsageError(
            "No key can be pressed: standard input is not a terminal.",
            "Use --auto --yes to load every rebuild without a key.",
        )
    if options.make and not os.path.isdir(options.make):
        raise UsageError(f"{clean(options.make)} is not a directory.", "Give one with a Makefile.")
    options.make = os.path.abspath(options.make) if options.make else ""
    machine = machine_for(host, options, "load modules into")
    if (denied := machine.root.denied) is not None:
        print_error(denied)
        return NO_PRIVILEGES
    path = full_path(files[0])
    if not os.path.isdir(host.locate(os.path.dirname(path))):
        raise UsageError(f"There is no directory {clean(os.path.dirname(path))}.")
    return asyncio.run(watch_file(machine, path, parameters, options, keys=keys))


async def watch_file(
    machine: Machine,
    path: str,
    parameters: Sequence[str],
    options: argparse.Namespace,
    *,
    keys: bool,
) -> int:
    """Watch and print until the end that was asked for; return the exit status.

    Args:
        machine: the machine.
        path: of the file, absolute.
        parameters: `name=value`.
        options: of the command line.
        keys: whether standard input is a terminal.
    """
    printer = _Printer(as_json=options.json, count=options.count, keys=keys)
    watch = Watch(
        machine,
        path,
        parameters,
        publish=printer.update,
        foreground=printer.foreground,
        make=options.make,
        automatic=options.auto,
        confirmed=options.yes,
    )
    printer.watch = watch
    running = asyncio.create_task(watch.run())
    ended = asyncio.create_task(printer.ended.wait())
    try:
        if keys:
            asyncio.get_running_loop().add_reader(sys.stdin, printer.read_key)
        await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        return printer.status
    finally:
        if keys:
            asyncio.get_running_loop().remove_reader(sys.stdin)
        for task in (running, ended):
            task.cancel()
        await asyncio.gather(running, ended, return_exceptions=True)
        await machine.close()
        if watch.kept and not watch.state.loaded:
            print(f"The earlier build is kept in {clean(watch.kept)}", file=sys.stderr)


class _Printer:
    """Prints what happens as it happens, and takes the keys."""

    watch: Watch

    def __init__(self, *, as_json: bool, count: int, keys: bool) -> None:
        self.ended = asyncio.Event()
        self.status = 0
        self._json = as_json
        self._left = count
        self._keys = keys
        self._shown: tuple[int, Stage] | None = None
        self._note = ""
        self._troubles: list[FoundTrouble] = []

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Leave the terminal to a program that asks for a password."""
        loop = asyncio.get_running_loop()
        if self._keys:
            loop.remove_reader(sys.stdin)
        try:
            yield
        finally:
            if self._keys:
                loop.add_reader(sys.stdin, self.read_key)

    def read_key(self) -> None:
        """Take a line from the terminal."""
        line = os.read(sys.stdin.fileno(), 4096)
        word = line.decode("ascii", "replace").strip().lower()
        if not line or word == "q":
            self.ended.set()
        elif word == "o":
            self.watch.load_old()
        elif word == "a":
            self.watch.set_automatic(not self.watch.state.automatic)
            state = "on" if self.watch.state.automatic else "off"
            print(f"Loading automatically is {state}.", file=sys.stderr)
        elif word == "y" or (not word and self.watch.state.confirmed):
            self.watch.load()

    def update(self, state: WatchState) -> None:
        """Print what is new."""
        self._print_troubles(state)
        rebuild = state.rebuild
        key = (rebuild.number, rebuild.stage) if rebuild is not None else None
        if state.note != self._note and state.note:
            self._print_note(state)
        self._note = state.note
        if rebuild is None or key == self._shown:
            return
        self._shown = key
        if self._json:
            _print_line(stage_json(state, rebuild))
        elif rebuild.stage in _PRINTED:
            self._print_page(state)
        else:
            print(f"{_clock()}  {headline(state)}")
        if rebuild.stage in _PRINTED and self._keys:
            self._print_keys(state)
        sys.stdout.flush()
        if rebuild.stage in ENDS:
            self._count(rebuild)

    def _count(self, rebuild: Rebuild) -> None:
        self.status = 0 if rebuild.stage is Stage.LOADED else FAILED
        if self._left:
            self._left -= 1
            if not self._left:
                self.ended.set()

    def _print_page(self, state: WatchState) -> None:
        # The reports of the kernel come first; they were printed when they were found.
        for section in list(sections(state, most=MOST_SYMBOLS))[len(state.troubles) :]:
            print(
                f"{_clock()}  {section.title}"
                if section.title == headline(state)
                else section.title
            )
            for line in text_of(section.parts):
                print(line)

    def _print_note(self, state: WatchState) -> None:
        if self._json:
            _print_line({"event": "note", "path": clean(state.path), "note": state.note})
        else:
            print(f"{_clock()}  {clean(state.note)}")
        sys.stdout.flush()

    def _print_troubles(self, state: WatchState) -> None:
        for number, found in enumerate(state.troubles):
            known = number < len(self._troubles) and self._troubles[number] == found
            if known:
                continue
            if self._json:
                _print_line(trouble_json(found))
            else:
                section = list(sections(state))[len(state.troubles) - 1 - number]
                print(f"{_clock()}  {section.title}")
                for line in text_of(section.parts):
                    print(line)
            sys.stdout.flush()
        self._troubles = list(state.troubles)

    def _print_keys(self, state: WatchState) -> None:
        keys = []
        if state.can_load and not state.confirmed:
            keys.append("y: load it" + (", and each rebuild from now on" * state.automatic))
        elif state.can_load:
            keys.append("Enter: load it")
        if state.stage in (Stage.FAILED, Stage.REFUSED):
            keys.append("Enter: try again")
        if state.old is not None:
            keys.append("o: load the earlier build")
        keys += [f"a: automatically {'off' if state.automatic else 'on'}", "q: quit"]
        print(f"   [{' · '.join(keys)}, then Enter]", file=sys.stderr)


def _clock() -> str:
    return time.strftime("%H:%M:%S")


# --- JSON ---------------------------------------------------------------------------------


def _print_line(fields: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA, "time": round(time.time(), 3), **fields}))


def stage_json(state: WatchState, rebuild: Rebuild) -> dict[str, Any]:
    """Return a stage of a rebuild as the fields of a JSON object."""
    before, after = rebuild.memory
    return {
        "event": str(rebuild.stage),
        "path": clean(state.path),
        "module": clean(state.name) or None,
        "rebuild": rebuild.number,
        "automatic": rebuild.automatic,
        "earlier_build": rebuild.old,
        "loaded": state.loaded,
        "can_load_earlier": state.old is not None,
        "build": _build(rebuild.build),
        "difference": _difference(rebuild.difference),
        "commands": rebuild.plan.command_lines if rebuild.plan is not None else [],
        "problem": _explanation(rebuild.problem),
        "outcome": _explanation(rebuild.outcome),
        "exit_log": _log(rebuild.exit_log),
        "init_log": _log(rebuild.init_log),
        "seconds": None if rebuild.seconds is None else round(rebuild.seconds, 3),
        "memory_before": before,
        "memory_after": after,
    }


def trouble_json(found: FoundTrouble) -> dict[str, Any]:
    """Return an oops or a warning as the fields of a JSON object."""
    return {
        "event": str(found.trouble.kind),
        "header": found.trouble.header,
        "place": clean(found.place) or None,
        "source": clean(found.source) or None,
        "taint": found.taint,
    }


def _build(build: ModuleBuild | None) -> dict[str, Any] | None:
    if build is None:
        return None
    return {
        "sha256": build.sha256,
        "size": build.file_size,
        "build_id": build.build_id or None,
        "srcversion": build.srcversion or None,
        "vermagic": build.vermagic,
        "symbols": len(build.symbols),
    }


def _difference(found: BuildDifference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "symbols": [
            {
                "change": str(each.moved),
                "name": each.name,
                "type": each.type,
                "function": each.function,
                "before": each.before,
                "after": each.after,
            }
            for each in found.symbols
        ],
        "parameters_added": _parameters(found.parameters_added),
        "parameters_removed": _parameters(found.parameters_removed),
        "parameters_changed": _parameters(found.parameters_changed),
        "memory_change": found.memory,
    }


def _parameters(parameters: Sequence[Parameter]) -> list[dict[str, str]]:
    return [{"name": clean(each.name), "type": clean(each.type)} for each in parameters]


def _explanation(found: Explanation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "result": "unknown" if found.unknown else found.kind,
        "title": clean(found.title),
        "cause": clean(found.cause),
        "remedy": clean(found.remedy) or None,
        "lines": [clean(line) for line in (*found.evidence, *found.output)],
    }


def _log(records: Sequence[LogRecord]) -> list[dict[str, Any]]:
    return [{"level": record.level, "text": clean(record.text)} for record in records]
