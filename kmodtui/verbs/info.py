"""`kmodtui info`: information about modules or .ko files, printed as modinfo prints it."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Any

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import find_module, index_or_empty
from kmodtui.kernel.loaded_difference import loaded_difference
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.system import read_system
from kmodtui.model.module_info import (
    ModuleInfo,
    modinfo_lines,
    modinfo_text,
    parameter_strings,
)
from kmodtui.model.modules import named_module
from kmodtui.model.text import decode
from kmodtui.services.origins import origins_of
from kmodtui.verbs.named_file import named_file
from kmodtui.verbs.printing import add_json, print_error, print_json, release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument("what", nargs="+", metavar="NAME|FILE", help="a module, or a .ko file")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the information; return the exit status."""
    infos: list[ModuleInfo] = []
    builds: list[dict[str, Any] | None] = []
    status = 0
    root = os.path.abspath(getattr(options, "root", "/")).rstrip("/")
    for what in options.what:
        try:
            # A file needs no release. The one of another machine may not be installed here.
            if named := named_file(host, what):
                files, path = named
                found: tuple[ModuleInfo, ...] = (read_module_file(files, path),)
            else:
                files = host
                release = release_of(host, options)
                found = _found(host, release, what)
            for info in found:
                builds.append(_build_json(files, info) if options.json else None)
                # The path on this machine, as `modinfo --basedir` prints it.
                here = not info.has_file or files is not host
                infos.append(info if here else replace(info, filename=root + info.filename))
        except KmodtuiError as error:
            print_error(error)
            status = error.exit_code
    if options.json:
        print_json(
            SCHEMA,
            {
                "modules": [
                    {**_info_json(info), "build": build}
                    for info, build in zip(infos, builds, strict=True)
                ]
            },
        )
        return status
    for info in infos:
        if sys.stdout.isatty():
            print("\n".join(modinfo_text(info)))
        else:
            # Unchanged bytes for the next program in the pipe, as modinfo writes them.
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(line + b"\n" for line in modinfo_lines(info)))
            sys.stdout.buffer.flush()
    return status


def _found(host: Host, release: str, what: str) -> tuple[ModuleInfo, ...]:
    """Return the information about a module: about the file that it was inserted from, if any."""
    if read_system(host).release in (None, release):
        index = index_or_empty(host, release)
        origins = origins_of(host, index)
        name = named_module(what, ())
        if (origin := origins.of(name)) is not None:
            if sentence := origins.difference(name, origin):
                print_error(KmodtuiError(sentence))
            return (read_module_file(host, origin.path),)
    found = find_module(host, release, what)
    _note_differences(host, release, found)
    return found


def _note_differences(host: Host, release: str, found: tuple[ModuleInfo, ...]) -> None:
    """Print on standard error which loaded modules are not those in the files."""
    if read_system(host).release not in (None, release):
        return
    for info in found:
        # Most modules are not loaded: read the index again only for one that is.
        if info.has_file and host.exists(f"/sys/module/{info.name}/initstate"):
            index = index_or_empty(host, release)
            if sentence := loaded_difference(host, index, info.name):
                print_error(KmodtuiError(sentence))


def _build_json(host: Host, info: ModuleInfo) -> dict[str, Any] | None:
    """Return how a file was built; None where there is none."""
    from kmodtui.kernel.module_file.build import read_build

    if not info.has_file:
        return None
    build = read_build(host, info.filename)
    return {
        "build_id": build.build_id or None,
        "compilers": build.compilers,
        "debug": build.debug,
        "sources": build.sources,
        "sections": [{"name": row.name, "size": row.size} for row in build.sections],
        "symbols": [{"name": row.name, "size": row.size} for row in build.symbols],
        "size_on_disk": build.disk,
        "size": build.size,
        "memory": build.memory,
    }


def _info_json(info: ModuleInfo) -> dict[str, Any]:
    """Return the fields of one module; JSON escapes what a terminal would obey."""
    fields: dict[str, list[str]] = {}
    for field in info.fields:
        if field.raw_key not in (b"parm", b"parmtype"):
            fields.setdefault(decode(field.raw_key), []).append(decode(field.raw))
    signature = info.signature
    return {
        "name": info.name,
        "filename": info.filename,
        "fields": fields,
        "parameters": [
            {
                "name": decode(name),
                "type": decode(kind) if kind else None,
                "description": decode(description) if description else None,
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
