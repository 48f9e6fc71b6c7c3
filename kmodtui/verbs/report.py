"""`kmodtui report`: everything that a bug report about modules needs, in one archive."""

from __future__ import annotations

import argparse
import io
import json
import platform
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from kmodtui import __version__
from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.system import read_system
from kmodtui.model.modules import canonical, is_module_name
from kmodtui.model.text import clean, counted, decode, human_size
from kmodtui.model.timeline.event_json import event_json
from kmodtui.services.bundle import INDEX, Bundle
from kmodtui.services.file_writer import write_file
from kmodtui.services.kernel_log import open_log
from kmodtui.services.snapshots import unused_path
from kmodtui.services.timeline.command_store import store_path
from kmodtui.services.timeline.recorder import default_path
from kmodtui.services.timeline.recording import read_recording
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1

SUFFIX = ".tar.gz"

_MAX_RECORDS = 20_000
_MAX_EVENTS = 10_000
_MAX_LOG = 512 * 1024
_NARROW = ("i386", "i486", "i586", "i686", "armv6l", "armv7l", "mips", "ppc", "riscv32")
_PACKAGES = ("textual", "rich", "pyelftools", "backports-zstd", "platformdirs", "watchfiles")

_GENERAL = (
    ("doctor", ["doctor"], "what this system permits, and what is wrong with it"),
    ("modules", ["list"], "the loaded modules"),
    ("rules", ["rules"], "the rules of modprobe.d"),
)
_OF_MODULE = (
    ("info", ["info"], "the information in its file"),
    ("why", ["why"], "why it is loaded, and why it cannot be unloaded"),
    ("plan-load", ["plan", "load"], "the plan that loads it"),
    ("plan-unload", ["plan", "unload"], "the plan that unloads it"),
    ("plan-reload", ["plan", "reload"], "the plan that reloads it"),
)
"""Name of the file, the verb with its arguments, and what it prints."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument("names", nargs="*", metavar="NAME", help="modules that it is about")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write (default: HOST-DATE-TIME.tar.gz in the current directory)",
    )
    parser.add_argument(
        "--addresses",
        action="store_true",
        help="include kernel addresses; they defeat KASLR, so keep the file private",
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="include this recording (default: the one that kmodtui record writes)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")


def run(host: Host, options: argparse.Namespace) -> int:
    """Write the archive and print what is in it; return the exit status."""
    names = [canonical(name) for name in options.names]
    for name in options.names:
        if "/" in name or name.startswith(".") or not is_module_name(canonical(name)):
            raise UsageError(f"{name} is not the name of a module.", "Give names, not files.")
    facts = read_system(host)
    now = time.time()
    path = _path(options.output, facts.hostname or "", now)
    bundle = Bundle(
        path.name.removesuffix(SUFFIX),
        wide=(facts.machine or "") not in _NARROW,
        addresses=options.addresses,
    )
    _add_versions(bundle, host)
    for name, words, what in _GENERAL:
        _add_verb(bundle, host, options, name, words, what)
    for module in names:
        for name, words, what in _OF_MODULE:
            part = f"{module}/{name}"
            _add_verb(bundle, host, options, part, [*words, module], f"{module}: {what}")
    _add_log(bundle, host)
    _add_own(bundle, host)
    _add_timeline(bundle, host, options)
    data = bundle.archive(now)
    write_file(path, data, force=options.force)
    if options.json:
        print_json(SCHEMA, _json(bundle, path, len(data)))
    else:
        _print(bundle, path, len(data))
    return 0


def _path(output: str | None, hostname: str, now: float) -> Path:
    if output is None:
        return unused_path(hostname, now, Path(), SUFFIX)
    if not output.endswith((SUFFIX, ".tgz")):
        raise UsageError(
            f"{output} does not end in {SUFFIX}.", f"Give it a name such as {output}{SUFFIX}."
        )
    return Path(output)


# The parts


def _add_versions(bundle: Bundle, host: Host) -> None:
    lines = [f"kmodtui {__version__}", f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            lines.append(f"{package} {metadata.version(package)}")
    for file in ("/proc/version", "/proc/cmdline", "/etc/os-release"):
        try:
            text = decode(host.read(file, 64 * 1024)).strip()
        except OSError as error:
            bundle.miss(file, f"{error.strerror}.")
            continue
        lines += ["", f"{file}:", *map(clean, text.splitlines())]
    words = "kmodtui, Python, the kernel and its command line, the distribution"
    bundle.add("versions.txt", words, "\n".join(lines) + "\n")


def _add_verb(
    bundle: Bundle,
    host: Host,
    options: argparse.Namespace,
    name: str,
    words: list[str],
    what: str,
) -> None:
    """Add what a verb prints, as text and as JSON."""
    verb = import_module(f"kmodtui.verbs.{words[0]}")
    for suffix, more, form in ((".txt", [], ""), (".json", ["--json"], ", as JSON")):
        parser = argparse.ArgumentParser()
        verb.add_arguments(parser)
        asked = parser.parse_args([*words[1:], *more])
        if hasattr(options, "kernel"):
            asked.kernel = options.kernel
        out, err = _captured(), _captured()
        try:
            with redirect_stdout(out), redirect_stderr(err):
                verb.run(host, asked)
        except KmodtuiError as error:
            bundle.miss(name, str(error))
            return
        except Exception as error:
            # A bug in one part must not prevent the report of it.
            bundle.miss(name, f"Internal error (a bug in kmodtui): {error!r}")
            return
        problems = "" if suffix == ".json" else _text(err)
        bundle.add(f"{name}{suffix}", what + form, _text(out) + problems)


def _captured() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")


def _text(captured: io.TextIOWrapper) -> str:
    captured.seek(0)
    return captured.read()


def _add_log(bundle: Bundle, host: Host) -> None:
    try:
        log = open_log(host)
    except KmodtuiError as error:
        bundle.miss("kernel-log.txt", str(error))
        return
    try:
        records = log.read(_MAX_RECORDS)
    except (OSError, EOFError) as error:
        bundle.miss("kernel-log.txt", f"It cannot be read: {error}")
        return
    finally:
        log.close()
    lines = [f"{record.stamp} {record.level_word}: {clean(record.text)}\n" for record in records]
    bundle.add("kernel-log.txt", counted(len(lines), "message"), "".join(lines))


def _add_own(bundle: Bundle, host: Host) -> None:
    """Add what kmodtui itself has noted on this machine."""
    if not host.live or host.badge:
        return
    import platformdirs

    log = platformdirs.user_log_path("kmodtui", appauthor=False) / "kmodtui.log"
    for name, words, path in (
        ("commands.jsonl", "the last commands of kmodtui", store_path()),
        ("kmodtui.log", "kmodtui's log file", log),
    ):
        try:
            with path.open("rb") as file:
                text = decode(file.read(_MAX_LOG))
        except OSError as error:
            bundle.miss(name, f"{error.strerror}.")
            continue
        bundle.add(name, words, text)


def _add_timeline(bundle: Bundle, host: Host, options: argparse.Namespace) -> None:
    """Add the events of the recording that was named, or of the one of this machine."""
    named = getattr(options, "replay", None)
    local = host.live and not host.badge
    if named is None and not local:
        return
    path = Path(named) if named is not None else default_path()
    try:
        recording = read_recording(path)
    except KmodtuiError as error:
        if named is not None:
            raise
        hint = "kmodtui record records it."
        bundle.miss("timeline.jsonl", f"{error.message} {hint}")
        return
    lines = [json.dumps(event_json(event)) + "\n" for event in recording.events[-_MAX_EVENTS:]]
    bundle.add("timeline.jsonl", counted(len(lines), "event"), "".join(lines))
    for note in recording.notes:
        bundle.miss("timeline.jsonl", note)


# The output


def _json(bundle: Bundle, path: Path, size: int) -> dict[str, Any]:
    return {
        "path": clean(str(path)),
        "size": size,
        "addresses": bundle.addresses,
        "addresses_removed": bundle.removed,
        "included": [{"name": part.name, "content": part.words} for part in bundle.parts],
        "not_included": [{"name": name, "reason": reason} for name, reason in bundle.missing],
    }


def _print(bundle: Bundle, path: Path, size: int) -> None:
    print(f"Bug report in {clean(str(path))}, {human_size(size)}:")
    print(f"  {', '.join((INDEX, *(part.name for part in bundle.parts)))}")
    for name, reason in bundle.missing:
        print(f"Not included: {name}: {reason}")
    print(bundle.address_words)
    print("Read it before you send it: it describes this machine, its hardware and its modules.")
