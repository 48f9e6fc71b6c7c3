"""Compares what is loaded and configured now with another installed kernel release.

Reads many files: not for the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice

from kmodtui.errors import KmodtuiError, NotComparableError
from kmodtui.kernel.dkms import read_dkms
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import example, normalised
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import installed_releases
from kmodtui.kernel.index.release import index_or_empty, read_index
from kmodtui.kernel.initramfs import PATHS, find_initramfs
from kmodtui.kernel.load_lists import read_boot_listings
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.root_disk import read_root_disk
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.block.way import Barrier
from kmodtui.model.block.ways import Evaluation, evaluate
from kmodtui.model.category import is_external
from kmodtui.model.modprobe_rules import CommandEffect, Rule, RuleKind, rule_effect
from kmodtui.model.next.compare import (
    Counterpart,
    Place,
    dkms_package,
    module_finding,
    option_finding,
    rule_finding,
)
from kmodtui.model.next.finding import Difference, NextFinding, NextReport, ordered
from kmodtui.model.plan.plan import Option
from kmodtui.model.text import clean, natural_key
from kmodtui.model.usage import used_by
from kmodtui.services.usage import usage_of

_MAX_ALIASES = 50
"""Maximum number of aliases by which the new name of a module is looked for."""

_DPKG = "/var/lib/dpkg/info"
_MAX_LIST = 8 * 1024 * 1024


def next_release(host: Host, running: str) -> str:
    """Return the release that probably boots next: the newest installed other one.

    On Debian, it is the one that /vmlinuz leads to, if that is not the running one.

    Raises:
        NotComparableError: no other release is installed.
    """
    others = [each for each in installed_releases(host) if each != running]
    for link in ("/vmlinuz", "/boot/vmlinuz"):
        try:
            linked = host.readlink(link).rpartition("/vmlinuz-")[2]
        except OSError:
            continue
        if linked in others:
            return linked
    if not others:
        raise NotComparableError(
            f"No modules of another kernel than {clean(running)} are installed.",
            "Install the next kernel first, or name a release whose modules are in /lib/modules.",
        )
    return max(others, key=natural_key)


def compare_next(host: Host, running: str, release: str = "") -> NextReport:
    """Return what changes for this system with another release.

    Args:
        host: the system.
        running: the running release.
        release: the other one; empty for that of `next_release`.

    Raises:
        NotComparableError: the modules of one of them, or the loaded ones, cannot be read.
    """
    release = release or next_release(host, running)
    if release == running:
        raise NotComparableError(f"{clean(release)} is running already.", "Name another release.")
    try:
        return _Comparison(host, running, read_index(host, release)).report()
    except KmodtuiError as error:
        raise NotComparableError(error.message, error.hint) from None


class _Comparison:
    """One comparison; everything is read once."""

    def __init__(self, host: Host, running: str, then: ModuleIndex) -> None:
        self._host = host
        self._running = running
        self._then = then
        self._release = clean(then.release)
        self._now = index_or_empty(host, running)
        self._config = read_modprobe_config(host, *self._now.folders)
        self._loaded = read_modules(host).by_name
        self._listed = read_boot_listings(host)
        self._dkms = read_dkms(host)
        self._found: dict[str, Counterpart] = {}
        self._unknown: list[str] = []

    def report(self) -> NextReport:
        """Compare."""
        listed = [name for name in self._listed if self._is_known(name)]
        names = tuple(dict.fromkeys((*self._loaded, *listed)))
        options = [
            (name, option)
            for name in dict.fromkeys(rule.name for rule in self._config.of(RuleKind.OPTIONS))
            for option in self._config.settings(name).values()
        ]
        rules = [rule for rule in self._blocks() if self._now.path_of(rule.name)]
        findings = [
            *self._of_modules(names),
            *(found for each in options if (found := self._of_option(*each))),
            *(found for rule in rules if (found := rule_finding(self._at(rule.name), rule))),
            *self._of_root(),
        ]
        return NextReport(
            clean(self._running),
            self._release,
            ordered(list(dict.fromkeys(findings))),
            len(names),
            len(options),
            len(rules),
            tuple(dict.fromkeys(self._unknown)),
        )

    def _is_known(self, name: str) -> bool:
        return self._now.path_of(name) is not None or self._now.is_builtin(name)

    # Where the other release has a module

    def _at(self, name: str) -> Counterpart:
        if name not in self._found:
            self._found[name] = self._look_up(name)
        return self._found[name]

    def _look_up(self, name: str) -> Counterpart:
        then, folder = self._then, clean(self._then.folder)
        if (path := then.path_of(name)) is not None:
            missing = not self._host.exists(path)
            return Counterpart(name, self._release, Place.FILE, name, clean(path), missing)
        if then.is_builtin(name):
            file = f"{folder}/modules.builtin"
            return Counterpart(name, self._release, Place.BUILT_IN, name, file)
        there = self._other_name(name)
        place = Place.RENAMED if there else Place.ABSENT
        file = f"{folder}/modules.alias" if there else f"{folder}/modules.dep"
        return Counterpart(name, self._release, place, there, file)

    def _other_name(self, name: str) -> str:
        """Return the name that a module has there, by an alias of its name or of its devices.

        A driver that exists now as well is another one, and not this one under a new name.
        """
        names = [each for each in self._then.resolve(name) if each != name]
        if names:
            return names[0]
        own = (each for each in self._aliases.get(name, ()) if normalised(each))
        matches = Counter(
            match
            for alias in islice(own, _MAX_ALIASES)
            for match in self._then.resolve(example(alias))
            if not self._is_known(match)
        )
        return matches.most_common(1)[0][0] if matches else ""

    @cached_property
    def _aliases(self) -> Mapping[str, tuple[str, ...]]:
        return self._now.aliases()

    # Modules

    def _of_modules(self, names: tuple[str, ...]) -> Iterator[NextFinding]:
        usage = usage_of(self._host, self._now, tuple(self._loaded), open_files=False)
        for name in names:
            at = self._at(name)
            if at.place is Place.FILE and not at.missing:
                continue
            place = self._now.place_of(name) if self._now.path_of(name) else ""
            found = module_finding(
                at,
                clean(self._running),
                dkms_package(self._dkms, name, self._running),
                external=is_external(place) if place else False,
                package=self._package(name) if at.place is Place.ABSENT else "",
            )
            if found is not None:
                yield NextFinding(
                    found.kind,
                    found.module,
                    found.cause,
                    found.file,
                    found.remedy,
                    clean(used_by(usage, name)),
                )

    def _package(self, name: str) -> str:
        """Return dpkg's package of the other release that should have a module; empty if unknown.

        Ubuntu has many modules in linux-modules-extra-RELEASE, which is easily left out.
        """
        path = self._now.path_of(name)
        if path is None:
            return ""
        for package in self._packages:
            try:
                lines = self._host.read(f"{_DPKG}/{package}.list", _MAX_LIST).split(b"\n")
            except OSError:
                continue
            if path.encode() in lines or f"/usr{path}".encode() in lines:
                there = package.partition(":")[0].replace(self._running, self._then.release)
                installed = self._host.exists(f"{_DPKG}/{there}.list")
                return "" if installed or there == package else clean(there)
        return ""

    @cached_property
    def _packages(self) -> tuple[str, ...]:
        try:
            names = self._host.listdir(_DPKG)
        except OSError:
            return ()
        return tuple(
            name.removesuffix(".list")
            for name in names
            if name.endswith(".list") and self._running in name
        )

    # Options and rules

    def _of_option(self, name: str, option: Option) -> NextFinding | None:
        now = self._types(self._now, name)
        if now is None:
            now = {shown.name: "" for shown in read_parameters(self._host, name)}
        at = self._at(name)
        then = self._types(self._then, name) if at.place is not Place.ABSENT else None
        if then is None and now and at.place is Place.FILE:
            self._unknown.append(f"The parameters of {name} in {self._release} cannot be read.")
        return option_finding(at, option, now, then)

    def _types(self, index: ModuleIndex, name: str) -> Mapping[str, str] | None:
        try:
            return {each.name: each.type for each in index.read_info(name).parameters}
        except KmodtuiError:
            return None

    def _blocks(self) -> Iterator[Rule]:
        """Yield the rules that keep modules out: of modprobe.d and the kernel command line."""
        yield from self._config.of(RuleKind.BLACKLIST)
        for rule in self._config.of(RuleKind.INSTALL):
            if rule_effect(rule) is not CommandEffect.UNKNOWN:
                yield rule
        yield from (Rule(RuleKind.BLACKLIST, name) for name in sorted(self._config.blocked))

    # The root disk

    def _of_root(self) -> Iterator[NextFinding]:
        disk = read_root_disk(self._host)
        now = ConfiguredIndex(self._now, self._config)
        then = ConfiguredIndex(self._then, read_modprobe_config(self._host, *self._then.folders))
        file_system = [(f"fs-{disk.kind}", "/proc/self/mountinfo")] if disk.kind else []
        for alias, file in (*file_system, *disk.aliases):
            before = [each.name for each in now.find(alias)]
            # The index of aliases may name a module that is not there.
            after = [n for n in (each.name for each in then.find(alias)) if _exists(n, then)]
            if before and not after:
                yield NextFinding(
                    Difference.ROOT,
                    before[0],
                    f"No module of {self._release} matches {alias} of the root disk, as "
                    f"{before[0]} does now: the boot may fail.",
                    file,
                    f"Install the package that has the driver, or boot {clean(self._running)}.",
                )
            stopped = [evaluate(alias, name, then) for name in after]
            if stopped and all(map(_stops, stopped)):
                if before and all(_stops(evaluate(alias, name, now)) for name in before):
                    continue  # as now, so the initramfs or a load by name makes up for it
                first = stopped[0]
                yield NextFinding(
                    Difference.ROOT,
                    after[0],
                    f"{after[0]} of {self._release} drives the root disk ({alias}), but is kept "
                    f"out: {first.reason if first else ''}.",
                    first.source if first else file,
                    "Remove that rule before the next boot.",
                )
        yield from self._of_initramfs()

    def _of_initramfs(self) -> Iterator[NextFinding]:
        now = find_initramfs(self._host, self._running)
        if not now or find_initramfs(self._host, self._then.release):
            return
        command = next(
            words.format(self._then.release)
            for path, words in PATHS.items()
            if path.format(self._running) == now
        )
        yield NextFinding(
            Difference.ROOT,
            "",
            f"There is no initramfs for {self._release}, as there is for {clean(self._running)}.",
            clean(now),
            f"Build it: {command.replace(' -u ', ' -c ')}",
        )


def _exists(name: str, lookup: ConfiguredIndex) -> bool:
    return lookup.has_file(name) or lookup.is_builtin(name)


def _stops(found: Evaluation | None) -> bool:
    return found is not None and found.barrier is Barrier.STOPPED
