"""Finds out which build of a module is loaded when watching begins, and copies its file."""

from __future__ import annotations

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.loaded_difference import is_same_build
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.services.machine import Machine
from kmodtui.services.watch.copies import Copies, Copy


def copy_of_loaded(machine: Machine, copies: Copies, name: str, here: Copy) -> Copy | None:
    """Return a copy of the file that a loaded module was inserted from; None if it is unknown.

    Reads files.

    Args:
        machine: the machine.
        copies: where the copy is kept.
        name: of the module.
        here: a copy of the watched file, which may be another build.
    """
    if _is_build_of(machine, name, here):
        return here
    path = machine.file_of(name)  # after modprobe, it is the installed file
    if path is None:
        return None
    try:
        copy = copies.take(path)
    except KmodtuiError:
        return None
    return copy if _is_build_of(machine, name, copy) else None


def _is_build_of(machine: Machine, name: str, copy: Copy) -> bool:
    try:
        return is_same_build(machine.host, name, read_module_file(machine.host, copy.path))
    except KmodtuiError:
        return False
