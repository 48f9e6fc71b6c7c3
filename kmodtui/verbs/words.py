"""The words after a verb that changes modules: names, files, and KEY=VALUE parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.model.modules import named_module
from kmodtui.model.text import clean
from kmodtui.verbs.named_file import named_file

_PARAMETER = re.compile(r"[^/=.\s]+=")


@dataclass(frozen=True, slots=True)
class Named:
    """A module that was named.

    Attributes:
        name: of the module.
        file: the path of the file that it was named by; empty if it was named by its name.
    """

    name: str
    file: str = ""


def split_words(words: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the modules and the parameters in the words of a command line.

    Raises:
        UsageError: there is no module.
    """
    parameters = tuple(word for word in words if _PARAMETER.match(word))
    modules = [word for word in words if not _PARAMETER.match(word)]
    if not modules:
        raise UsageError("No module given.", "Name a module before its parameters.")
    return list(dict.fromkeys(modules)), parameters


def named(host: Host, word: str) -> Named:
    """Return the module that a name or the path of a module file means.

    Raises:
        UsageError: the file is not on the system that is changed.
        KmodtuiError: the file cannot be read, or is not a module.
    """
    found = named_file(host, word)
    if found is None:
        return Named(word)
    files, path = found
    if host.badge and files is not host and files.exists(path):
        raise UsageError(
            f"{clean(path)} is a file of this machine, which has another kernel.",
            "Leave out --demo or --root.",
        )
    return Named(named_module(read_module_file(host, path).module_name, ()), path)
