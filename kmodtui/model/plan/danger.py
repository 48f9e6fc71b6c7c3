"""Plans that could leave a person without access to the machine: they need more than a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.usage import Usage, Use, UseKind

KEYBOARD = frozenset(
    {
        *("atkbd", "i8042", "hyperv_keyboard", "virtio_input"),
        *(
            "usbhid",
            "hid",
            "hid_generic",
            "hid_apple",
            "hid_logitech_dj",
            "i2c_hid",
            "i2c_hid_acpi",
        ),
        *("usbcore", "xhci_hcd", "xhci_pci", "ehci_hcd", "ehci_pci", "ohci_hcd", "uhci_hcd"),
    }
)
"""The modules between a keyboard and the console."""


def with_danger(plan: Plan, facts: PlanFacts) -> Plan:
    """Return a plan that says why the module's name has to be typed, if it has to be."""
    removed = [step.module for step in plan.steps if step.action in (Action.RMMOD, Action.REMOVE)]
    blocked = [step.module for step in plan.steps if step.action is Action.BLOCK]
    if plan.refused or not plan.commands:
        return plan
    reasons = [*_of_removal(removed, facts.usage), *_of_block(blocked, facts.usage)]
    return replace(plan, danger=" ".join(dict.fromkeys(reasons)))


def _of_removal(names: Sequence[str], usage: Usage) -> Iterator[str]:
    for name in names:
        if any(use.connection for use in usage.by_module.get(name, ())):
            yield f"This cuts your own connection, which uses {name}."
        if name in KEYBOARD and _uses(name, usage, UseKind.DEVICE):
            yield f"{name} may be the driver of the keyboard."
    mine = [use for name in names for use in _interfaces(name, usage)]
    others = [
        use for name in usage.by_module if name not in names for use in _interfaces(name, usage)
    ]
    if mine and not others:
        yield f"{', '.join(use.what for use in mine)} is the only network interface."


def _of_block(names: Sequence[str], usage: Usage) -> Iterator[str]:
    for name in names:
        if any(use.what.startswith("/ (") for use in _uses(name, usage, UseKind.MOUNT)):
            yield f"{name} holds the root file system: the next boot may fail."
        elif _uses(name, usage, UseKind.BLOCK_DEVICE):
            yield f"{name} drives a block device in use: the next boot may fail."
        if name in KEYBOARD and _uses(name, usage, UseKind.DEVICE):
            yield f"{name} may be the driver of the keyboard, also at the next boot."
        if any(use.connection for use in usage.by_module.get(name, ())):
            yield f"Your own connection uses {name}: after the next boot it may be missing."


def _uses(name: str, usage: Usage, kind: UseKind) -> list[Use]:
    return [use for use in usage.by_module.get(name, ()) if use.kind is kind]


def _interfaces(name: str, usage: Usage) -> list[Use]:
    """Return the network interfaces of a module that are up."""
    return [use for use in _uses(name, usage, UseKind.INTERFACE) if use.what.endswith(" up")]
