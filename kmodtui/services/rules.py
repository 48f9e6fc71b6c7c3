"""All rules of modprobe.d and of the kernel command line, each with its effect."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.kernel.host import Host
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.release import index_or_empty
from kmodtui.kernel.modprobe.config import read_modprobe_config, replaced_files
from kmodtui.model.modprobe_rules import Problem, is_from_index
from kmodtui.model.rules.effect import RuleEffect, rule_effects


@dataclass(frozen=True, slots=True)
class RuleList:
    """The rules of a system.

    Attributes:
        rules: each with its effect, in kmod's order.
        kernel: modules that the kernel itself refuses to load (`module_blacklist=`).
        ignored: lines and files that modprobe ignores, and why.
    """

    rules: tuple[RuleEffect, ...]
    kernel: tuple[str, ...]
    ignored: tuple[Problem, ...]


def read_rules(host: Host, release: str, *, depmod: bool = False) -> RuleList:
    """Return the rules of a system. Reads files.

    Args:
        host: the system.
        release: the kernel release whose modules the rules are about.
        depmod: whether to include the softdeps and weakdeps that modules declare themselves.
    """
    index = index_or_empty(host, release)
    config = read_modprobe_config(host, *index.folders)
    effects = rule_effects(config.rules, ConfiguredIndex(index, config))
    shown = tuple(
        effect for effect in effects if depmod or not is_from_index(effect.rule.file, index.folders)
    )
    problems = tuple(
        problem
        for problem in config.problems
        if depmod or not is_from_index(problem.source, index.folders)
    )
    return RuleList(shown, tuple(sorted(config.blocked)), (*problems, *replaced_files(host)))
