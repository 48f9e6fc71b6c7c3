"""`kmodtui rules`: all rules of modprobe.d, which have an effect, and why others have none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kmodtui.kernel.host import Host
from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.modules import canonical
from kmodtui.model.rules.effect import RuleEffect
from kmodtui.model.text import clean
from kmodtui.services.rules import RuleList, read_rules
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "--all", action="store_true", help="also those that modules declare themselves"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only rules for these modules")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the rules; return the exit status."""
    found = read_rules(host, release_of(host, options), depmod=options.all)
    names = {canonical(name) for name in options.names}
    rules = [each for each in found.rules if not names or each.rule.name in names]
    blocked = [name for name in found.kernel if not names or name in names]
    if options.json:
        print_json(
            SCHEMA,
            {
                "rules": [
                    {
                        "kind": each.rule.kind,
                        "name": clean(each.rule.name),
                        "value": clean(each.rule.value.strip()) or None,
                        "source": clean(each.rule.source),
                        "effect": each.effect,
                        "reason": clean(each.reason),
                        "winner": clean(each.winner) or None,
                    }
                    for each in rules
                ],
                "module_blacklist": [clean(name) for name in blocked],
                "ignored": [
                    {"source": each.source, "reason": each.text} for each in _ignored(found, names)
                ],
            },
        )
        return 0
    _print(rules, blocked, found, names)
    return 0


def _ignored(found: RuleList, names: set[str]) -> list[Problem]:
    return [each for each in found.ignored if not names or names.intersection(each.modules)]


def _print(
    rules: Sequence[RuleEffect], blocked: list[str], found: RuleList, names: set[str]
) -> None:
    for each in rules:
        print(f"{each.effect:<10}  {clean(rule_words(each))}")
        winner = f" ({each.winner})" if each.winner else ""
        print(f"{'':12}{clean(f'{each.rule.source}: {each.reason}{winner}')}")
    for name in blocked:
        print(f"{'in effect':<10}  module_blacklist={clean(name)}")
        print(f"{'':12}kernel command line: the kernel refuses it until reboot")
    ignored = _ignored(found, names)
    for problem in ignored:
        print(f"{'ignored':<10}  {clean(str(problem))}")
    if not (rules or blocked or ignored):
        about = f" about {clean(', '.join(sorted(names)))}" if names else ""
        print(f"No rule{about} in modprobe.d or on the kernel command line.")


def rule_words(each: RuleEffect) -> str:
    """Return a rule as it is written."""
    rule = each.rule
    return f"{rule.kind} {rule.name} {rule.value.strip()}".rstrip()
