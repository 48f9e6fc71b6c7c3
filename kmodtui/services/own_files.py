"""Reads kmodtui's own files on an observed system."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.kernel.load_lists import listed_modules
from kmodtui.kernel.modprobe.config import ModprobeConfig
from kmodtui.model.block.lines import state_of_command
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.own_file import BLACKLISTED, KEPT, OwnFile


def read_own_files(host: Host, config: ModprobeConfig) -> dict[OwnFile, dict[str, str]]:
    """Return what each of kmodtui's files says, by module; see `OwnStates`.

    Args:
        host: the system.
        config: its rules, which have the files in modprobe.d.
    """
    options: dict[str, str] = {}
    for rule in config.of(RuleKind.OPTIONS):
        if rule.file == OwnFile.OPTIONS:
            options[rule.name] = f"{options.get(rule.name, '')} {rule.value.strip()}".strip()
    return {
        OwnFile.BLACKLIST: {
            rule.name: BLACKLISTED
            for rule in config.of(RuleKind.BLACKLIST)
            if rule.file == OwnFile.BLACKLIST
        },
        OwnFile.BLOCK: {
            rule.name: state_of_command(rule.value)
            for rule in config.of(RuleKind.INSTALL)
            if rule.file == OwnFile.BLOCK
        },
        OwnFile.OPTIONS: options,
        OwnFile.BOOT: dict.fromkeys(listed_modules(host, OwnFile.BOOT), KEPT),
    }
