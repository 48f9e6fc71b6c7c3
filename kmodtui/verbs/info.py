"""`kmodtui info`: what modinfo says of modules or .ko files, line for line."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Any

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.catalog import find_module, is_path
from kmodtui.kernel.host import Host, LocalHost
from kmodtui.model.module_info import (
    ModuleInfo,
    modinfo_lines,
    modinfo_text,
    parameter_strings,
)
from kmodtui.model.text import decode
from kmodtui.verbs.printing import add_json, complain, print_json, release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)
    parser.add_argument("what", nargs="+", metavar="NAME|FILE")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print it; return the exit status."""
    infos: list[ModuleInfo] = []
    status = 0
    root = os.path.abspath(getattr(options, "root", "/")).rstrip("/")
    for what in options.what:
        try:
            if is_path(what, LocalHost()):
                # It needs no release, and that of another machine may well not be here.
                infos += find_module(host, "", what, files=LocalHost())
                continue
            for info in find_module(host, release_of(host, options), what):
                # As `modinfo --basedir` does: where the file lies on this machine.
                path = info.filename if info.builtin else root + info.filename
                infos.append(replace(info, filename=path))
        except KmodtuiError as error:
            complain(error)
            status = error.exit_code
    if options.json:
        print_json(SCHEMA, {"modules": [_info_json(info) for info in infos]})
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


def _info_json(info: ModuleInfo) -> dict[str, Any]:
    """Return what there is to tell, as it stands: what JSON escapes need not be clean."""
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
