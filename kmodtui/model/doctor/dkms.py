"""The modules that DKMS builds, and the installed kernels that they are missing from."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.about.page import some
from kmodtui.model.doctor.facts import DkmsModule, DoctorFacts
from kmodtui.model.doctor.finding import Finding, Level


def dkms_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield each package of DKMS, or that there is none."""
    if not facts.dkms:
        reason = "DKMS manages no modules here."
        yield Finding("dkms", "DKMS", Level.OK, reason, ("/var/lib/dkms",))
    for module in facts.dkms:
        yield _package(module, facts)


def _package(module: DkmsModule, facts: DoctorFacts) -> Finding:
    subject = f"{module.package} {module.version}"
    names = dict.fromkeys(name for built in module.built.values() for name in built)
    one = next(iter(names), "")
    words = f"DKMS has built {some(names)} for {some(sorted(module.built))}."
    if not module.built:
        words = "DKMS has built it for no kernel."
    missing = [release for release in facts.releases if release not in module.installed]
    evidence = (module.folder,)
    if not missing:
        return Finding("dkms", subject, Level.OK, words, evidence, module=one)
    level = Level.OFF if facts.release in missing else Level.LIMITED
    words += f" It is not installed for {some(missing)}"
    if facts.release in missing:
        words += (
            ", the kernel examined here"
            if len(missing) == 1
            else (f", including {facts.release}, the kernel examined here")
        )
    target = facts.release if facts.release in missing else missing[0]
    remedy = (
        f"Install the headers of that kernel, then run dkms install "
        f"{module.package}/{module.version} -k {target} as root."
    )
    return Finding("dkms", subject, level, f"{words}.", evidence, remedy, one)
