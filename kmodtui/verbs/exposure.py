"""`kmodtui exposure`: who can make the kernel load each module."""

from __future__ import annotations

import argparse
from typing import Any

from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.exposure.exposure import Exposure, reason_words, totals
from kmodtui.model.exposure.request import BY_WORD, Reach, Switches, settings
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean
from kmodtui.services.exposure import read_exposures
from kmodtui.verbs.filter_option import add_filter, chosen_filter, matching
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    add_filter(parser, FilterKind.EXPOSURE)
    parser.add_argument(
        "--reach", choices=BY_WORD, metavar="WHO", help="only modules that WHO can have loaded: "
        "user, namespace (any user, in a user namespace), device or root",
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these modules")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the exposure of modules; return the exit status: 1 if a filter matches none."""
    chosen = chosen_filter(options, FilterKind.EXPOSURE)
    found, switches = read_exposures(host, release_of(host, options))
    names = {canonical(name) for name in options.names}
    by_name = {each.name: each for each in found}
    if unknown := sorted(names - by_name.keys()):
        hint = did_you_mean(near(unknown[0], tuple(by_name)))
        raise UnknownModuleError(f"No installed module is named {clean(unknown[0])}.", hint)
    reach = BY_WORD.get(options.reach or "")
    shown = [
        each
        for each in found
        if (each.name in names if names else reach or chosen or each.reach is not Reach.ROOT)
        and reach in (None, each.reach)
    ]
    status = 0
    if chosen is not None:
        from kmodtui.model.filter.sources import ExposureSource

        shown = [*matching(chosen, ExposureSource(), shown)]
        status = 0 if shown else 1
    shown.sort(key=lambda each: (each.reach.rank, each.name))
    if options.json:
        print_json(SCHEMA, _json(shown, switches))
        return status
    _print(shown)
    if not names and chosen is None:
        for sentence in (*settings(switches), *totals(found)):
            print(sentence)
    return status


def _print(shown: list[Exposure]) -> None:
    width = max((len(each.name) for each in shown), default=0)
    for each in shown:
        state = "loaded" if each.loaded else ""
        line = f"{each.name:<{width}}  {each.reach:<30} {state:<7} {reason_words(each)}"
        print(clean(line).rstrip())


def _json(shown: list[Exposure], switches: Switches) -> dict[str, Any]:
    return {
        "modules_disabled": switches.modules_disabled,
        "autoload": switches.autoload,
        "user_namespaces": switches.namespaces,
        "user_namespaces_setting": switches.why_no_namespaces or None,
        "modules": [
            {
                "name": clean(each.name),
                "reach": each.reach,
                "loaded": each.loaded,
                "closed_by": clean(each.closed) or None,
                "reasons": [
                    {
                        "reach": reason.reach,
                        "action": reason.action,
                        "alias": clean(reason.alias),
                        "via": clean(reason.via) or None,
                    }
                    for reason in each.reasons
                ],
            }
            for each in shown
        ],
    }
