"""Who signed a module that the kernel refuses, and the next step to have its key trusted."""

from __future__ import annotations

from kmodtui.model.explain.explanation import Case


def signed_by(case: Case) -> str:
    """Return who signed the module, in a sentence with a blank before it; empty if unknown."""
    return f" Its file is signed by “{case.facts.signer}”." if case.facts.signer else ""


def enrolment(case: Case) -> str:
    """Return how to enrol the key that signed it; empty if its certificate was not found."""
    if not case.facts.key_file:
        return ""
    return (
        f"Enrol the key that signed it: mokutil --import {case.facts.key_file} as root, reboot, "
        "and confirm it on the blue screen at boot. If you have done that, the kernel does not use "
        "machine owner keys for modules."
    )
