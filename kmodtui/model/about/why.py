"""The second page about a module: why it is loaded, why it cannot be unloaded, what would go.

The kernel does not record why a module was loaded. Whatever would load it is found in files
and named with them; where that does not prove that it did, the statement is only possible.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.about.about import device_statement, page, titled, use_statement
from kmodtui.model.about.facts import BusDevice, ClassDevice, ModuleFacts
from kmodtui.model.about.hardware import is_hardware, supported
from kmodtui.model.about.interfaces import provided_by_aliases
from kmodtui.model.about.page import Page, Statement, section, some
from kmodtui.model.modules import ModuleState
from kmodtui.model.text import clean, counted
from kmodtui.model.usage import UseKind, unseen_words

MOST_DEVICES = 8
MOST_BUSES = 3
_ORDER = (UseKind.MOUNT, UseKind.BLOCK_DEVICE, UseKind.OPEN_FILE, UseKind.SOCKET,
          UseKind.ALGORITHM, UseKind.LIVE_PATCH, UseKind.CONSOLE, UseKind.BPF)  # fmt: skip


def why(facts: ModuleFacts) -> Page:
    """Return why a module is loaded, and what prevents or would follow its unload."""
    if facts.loaded is None:
        title = "Why it is there" if facts.builtin else "What would load it"
        sections = (
            *section("reasons", title, _reasons_not_loaded(facts)),
            *section("obstacles", "What keeps it from being loaded", _obstacles(facts)),
        )
        return page(facts, sections)
    return page(
        facts,
        (
            *section("reasons", "Why it is loaded", _reasons_loaded(facts)),
            *section("holders", _holders_title(facts), _holders(facts)),
            *section("losses", "What unloading it takes away", _losses(facts)),
        ),
    )


# --- why it is loaded -------------------------------------------------------------------------


def _reasons_loaded(facts: ModuleFacts) -> list[Statement]:
    """Return the reasons, the proven ones first; in either group the most direct ones first."""
    every = [*_observed(facts), *_reasons(facts)]
    found = sorted(every, key=lambda statement: statement.possible)
    if not found:
        text = (
            "loaded by its name, by a person or a program, or in the initramfs: no other reason "
            "was found"
        )
        if facts.initramfs_problem:
            text += f". {facts.initramfs_problem}"
        found.append(Statement("unknown", text, possible=True))
    return found


def _reasons_not_loaded(facts: ModuleFacts) -> Iterator[Statement]:
    if facts.builtin:
        text = "It is compiled into the kernel: it is always there, and cannot be unloaded."
        yield Statement("builtin", text, (f"{facts.index}/modules.builtin: {facts.place}",))
        return
    found = [*_observed(facts), *_reasons(facts), *_requests(facts)]
    yield from found
    if not found:
        text = "only a load by its name: nothing else was found that would load it"
        yield Statement("unknown", text, possible=True)


_ASKING = {
    "file system": "a mount of {0}",
    "socket family": "a program that opens a socket: {0}",
    "protocol": "a program that opens a socket: {0}",
    "device node": "a program that opens {0}",
    "block device": "a program that opens {0}",
    "character device": "a program that opens {0}",
    "algorithm": "a use of {0}",
    "network interface": "a request to create {0}",
    "executable format": "a program of {0}",
}
"""What makes the kernel request what an alias stands for."""


def _requests(facts: ModuleFacts) -> Iterator[Statement]:
    """Yield what would have the kernel request the module by one of its aliases."""
    if facts.blacklist is not None:
        return
    software = [alias for alias in facts.aliases if not is_hardware(alias)]
    for each in provided_by_aliases(software, facts.file)[0]:
        text = _ASKING.get(each.kind, "a request for {0}").format(each.text)
        yield Statement("request", text, each.evidence)
    hardware = supported(facts.aliases, facts.file, facts.names)
    if hardware and not facts.devices:
        text = "a device that it supports"
        if facts.kernel is not None and facts.kernel.bus_devices:
            text += " (this machine has none)"
        buses = hardware[:MOST_BUSES]
        text += f": {'; '.join(each.text for each in buses)}"
        if (more := len(hardware) - len(buses)) > 0:
            text += f"; and on {counted(more, 'other bus', 'other buses')}"
        evidence = dict.fromkeys(line for each in buses for line in each.evidence)
        yield Statement("request", text, tuple(evidence))


def _observed(facts: ModuleFacts) -> Iterator[Statement]:
    if (load := facts.observed) is None:
        return
    text = f"kmodtui saw it being loaded at {load.when}"
    text += f", by its own command {load.command}" if load.command else ", by another program"
    yield Statement("observed", text, ("the timeline",))


def _reasons(facts: ModuleFacts) -> Iterator[Statement]:
    yield from _devices(facts)
    yield from _dependents(facts)
    yield from _uses(facts)
    for listing in facts.listings:
        # systemd-modules-load does not load what is blacklisted; modprobe in an init script does.
        denied = facts.blacklist is not None or facts.install is not None or facts.blocked
        text = listing.words
        if denied and not listing.possible:
            text += ", but it is blacklisted or replaced by a command"
        evidence = f"{listing.source}: {listing.line}"
        yield Statement("configuration", text, (evidence,), listing.possible or denied)


def _devices(facts: ModuleFacts) -> Iterator[Statement]:
    for device in facts.devices[:MOST_DEVICES]:
        yield _device(facts, device)
    if (more := len(facts.devices) - MOST_DEVICES) > 0:
        yield Statement("device", f"{counted(more, 'more device')} of this kind", ("/sys/bus",))


def _device(facts: ModuleFacts, device: BusDevice) -> Statement:
    alias = f"{device.path}/modalias: {device.modalias}"
    matches = facts.name in facts.rivals.get(device.path, ())
    bound = device.module == facts.name
    name = titled(facts, device)
    if bound and not matches:
        text = f"{name} uses its driver {device.driver}, but no alias of the module matches it"
        evidence = (f"{device.path}/driver/module: {facts.name}",)
        return Statement("device", text, evidence, possible=True)
    text = f"{name} matches one of its aliases"
    if facts.blacklist is not None:
        text += ", but its aliases are blacklisted: something else loaded it"
        if facts.loaded is None:
            text = f"{name} matches one of its aliases, which are blacklisted"
        return Statement("device", text, (alias, str(facts.blacklist)), possible=True)
    if bound:
        text += f", and uses its driver {device.driver}"
        return Statement("device", text, (alias, f"{device.path}/driver/module: {facts.name}"))
    if device.driver:
        owner = device.module or device.driver
        text += f", but {owner} drives it"
        return Statement("device", text, (alias, f"{device.path}/driver: {device.driver}"), True)
    others = [other for other in facts.rivals.get(device.path, ()) if other != facts.name]
    if others:
        text += f", as it does for {some(others)}; no driver is bound to it"
    else:
        text += "; no driver is bound to it"
    return Statement("device", text, (alias,), possible=False)


def _dependents(facts: ModuleFacts) -> Iterator[Statement]:
    if facts.loaded is not None and facts.loaded.users:
        names = facts.loaded.users
        need = "needs it" if len(names) == 1 else "need it"
        text = f"{some(names, 6)} {need}, and cannot be loaded without it"
        yield Statement("dependency", text, (_row(facts),))
    for other, rule in facts.softdep_of.items():
        text = f"{other}, which is loaded, names it as a soft dependency: modprobe loads it too"
        if facts.loaded is None:
            text = f"{other} names it as a soft dependency: modprobe loads it with {other}"
        yield Statement("softdep", text, (clean(str(rule)),), possible=facts.loaded is not None)
    if facts.loaded is None and facts.dependents:
        text = f"a load of {some(facts.dependents, 3)}, which need it"
        if len(facts.dependents) == 1:
            text = f"a load of {facts.dependents[0]}, which needs it"
        evidence = f"{facts.dependency_list}: {facts.dependents[0]}: …"
        yield Statement("dependency", text, (evidence,))


_REQUESTS: dict[UseKind, tuple[str | tuple[str, ...], str]] = {
    UseKind.MOUNT: ("fs-", "the kernel loads it for such a mount"),
    UseKind.SOCKET: ("net-pf-", "the kernel loads it for such a socket"),
    UseKind.ALGORITHM: ("crypto-", "the kernel loads it for this algorithm"),
    UseKind.INTERFACE: ("rtnl-link-", "the kernel loads it for such an interface"),
    UseKind.OPEN_FILE: (("char-major-", "devname:"), "opening this device file loads it"),
    UseKind.BLOCK_DEVICE: ("block-major-", "the kernel loads it for such a device"),
}
"""For each kind of use, the aliases by which the kernel requests a module for it."""


def _uses(facts: ModuleFacts) -> Iterator[Statement]:
    """Yield the uses for which the kernel requests a module by one of its aliases."""
    for use in facts.usage.by_module.get(facts.name, ()):
        known = _REQUESTS.get(use.kind)
        if known is None:
            continue
        prefix, words = known
        alias = next((alias for alias in facts.aliases if alias.startswith(prefix)), "")
        if not alias:
            continue
        # A module that was loaded by its name can be used by a mount or a socket as well, and
        # some create their interfaces and devices themselves when they are loaded.
        made = use.kind in (UseKind.INTERFACE, UseKind.BLOCK_DEVICE)
        evidence = (use.evidence, f"{facts.file}: alias {clean(alias)}")
        yield Statement("use", f"{use}: {words}", evidence, possible=made)


def _row(facts: ModuleFacts) -> str:
    """Return the part of its line of /proc/modules that has the reference count."""
    module = facts.loaded
    if module is None or module.refcount is None:
        return "/proc/modules"
    users = f"{','.join(module.users)}," if module.users else "-"
    return f"/proc/modules: {module.name} {module.size} {module.refcount} {users}"


# --- what keeps it from being loaded ----------------------------------------------------------


def _obstacles(facts: ModuleFacts) -> Iterator[Statement]:
    if facts.blocked:
        text = "the kernel refuses it until a reboot without module_blacklist="
        yield Statement("blocked", text, ("/proc/cmdline: module_blacklist=",))
    if facts.install is not None:
        text = "modprobe runs a command in its place"
        yield Statement("install", text, (clean(str(facts.install)),))
    if facts.blacklist is not None:
        text = "blacklisted: not loaded for a device or another alias, only by its name"
        yield Statement("blacklist", text, (clean(str(facts.blacklist)),))
    if facts.problem and not facts.builtin:
        yield Statement("file", facts.problem, (facts.file,) if facts.file else ())


# --- why it cannot be unloaded ----------------------------------------------------------------


def _holders_title(facts: ModuleFacts) -> str:
    module = facts.loaded
    if module is None or module.refcount is None or _is_free(facts):
        return "Whether it can be unloaded"
    return "Why it cannot be unloaded now"


def _is_free(facts: ModuleFacts) -> bool:
    module = facts.loaded
    return (
        module is not None
        and module.refcount == 0
        and not module.permanent
        and module.state is ModuleState.LIVE
    )


def _holders(facts: ModuleFacts) -> Iterator[Statement]:
    module = facts.loaded
    if module is None:
        return
    if module.state is not ModuleState.LIVE:
        yield from _stuck(facts, module.state)
        return
    if module.permanent:
        text = "permanent: it has no exit function, so it stays until a reboot"
        yield Statement("permanent", text, (f"/proc/modules: {module.name} … [permanent],",))
    if module.refcount is None:
        text = "this kernel cannot unload modules (CONFIG_MODULE_UNLOAD is not set)"
        yield Statement("kernel", text, (f"/proc/modules: {module.name} {module.size} - -",))
        return
    if _is_free(facts):
        text = "nothing holds a reference: it can be unloaded"
        yield Statement("free", text, (_row(facts),))
        return
    yield from _references(facts, module.refcount, module.users)


def _references(facts: ModuleFacts, refcount: int, users: tuple[str, ...]) -> Iterator[Statement]:
    module = facts.loaded
    if module is None or not refcount:
        return
    others = module.other_references
    text = f"{counted(refcount, 'reference')}: {len(users)} from modules, {others} other"
    yield Statement("count", text, (_row(facts),))
    if users:
        yield Statement("holder", f"{some(users, 6)}: unload first", (_row(facts),))
    holders = facts.usage.holders(facts.name)
    found = sum(use.references for use in holders)
    for use in sorted(holders, key=lambda use: _ORDER.index(use.kind)):
        statement = use_statement(use)
        # More uses than references: one of them holds none, and nothing says which.
        uncertain = use.possible or found > others
        yield Statement(
            statement.kind,
            f"{statement.text}. {use.kind.remedy}".rstrip(),
            statement.evidence,
            uncertain,
        )
    if others > found:
        missing = counted(others - found, "reference")
        text = f"{missing} of unknown users: the kernel counts them, but keeps no list"
        unseen = unseen_words(facts.usage)
        text = f"{text}. {unseen}" if unseen else text
        yield Statement("unknown", text, (_row(facts),), possible=True)


def _stuck(facts: ModuleFacts, state: ModuleState) -> Iterator[Statement]:
    function = "init" if state is ModuleState.LOADING else "exit"
    doing = "loaded" if state is ModuleState.LOADING else "unloaded"
    text = (
        f"it is being {doing}: its {function} function has not returned. If that lasts, it "
        "hangs, and only a reboot helps"
    )
    row = f"/proc/modules: {facts.name} … {state}"
    yield Statement("state", text, (row,))
    for loader in facts.loaders:
        yield Statement("process", f"{loader} waits for it", ("/proc/PID/cmdline",))
    for line in facts.log:
        yield Statement("log", line, ("/dev/kmsg",), possible=True)


# --- what unloading takes away ----------------------------------------------------------------


def _losses(facts: ModuleFacts) -> Iterator[Statement]:
    lost = _lost_devices(facts)
    yield from _lost_connections(facts, lost)
    for kind in sorted(lost, key=_SEEN.index):
        names = [f"{name} ({words})" if words else name for name, (words, _) in lost[kind].items()]
        text = f"{kind}{'s' if len(names) > 1 else ''} {some(names, 6)}"
        evidence = tuple(dict.fromkeys(proof for _, proof in lost[kind].values()))
        yield Statement(kind, text, evidence[:MOST_DEVICES])
    for device in facts.devices:
        if device.module == facts.name:
            statement = device_statement(facts, device)
            text = f"the driver of {titled(facts, device)}"
            yield Statement("device", text, statement.evidence)


_Lost = dict[str, dict[str, tuple[str, str]]]
"""By kind and name: its state in a few words, and what proves that it would disappear."""


def _lost_devices(facts: ModuleFacts) -> _Lost:
    lost: _Lost = {}
    for use in facts.usage.by_module.get(facts.name, ()):
        if use.kind is UseKind.PROBE:
            name = use.what.removeprefix("on ")
            lost.setdefault(str(use.kind), {})[name] = ("", use.evidence)
        if use.kind in (UseKind.INTERFACE, UseKind.BLOCK_DEVICE):
            name, _, state = use.what.partition(", ")
            lost.setdefault(str(use.kind), {}).setdefault(name, (state, use.evidence))
    if facts.kernel is not None:
        for device in facts.kernel.class_devices:
            if facts.name in device.modules and device.kind in _SEEN:
                names = lost.setdefault(device.kind, {})
                names.setdefault(device.name, (_state(facts, device), device.path))
    return lost


def _state(facts: ModuleFacts, device: ClassDevice) -> str:
    """Return the state of a network interface, or what a disk is used for; empty if unknown."""
    for uses in facts.usage.by_module.values():
        for use in uses:
            name, _, state = use.what.partition(", ")
            if use.kind in (UseKind.INTERFACE, UseKind.BLOCK_DEVICE) and name == device.name:
                return state
    return ""


def _lost_connections(facts: ModuleFacts, lost: _Lost) -> Iterator[Statement]:
    """Yield the connection of this session if it goes through an interface that would go."""
    for uses in facts.usage.by_module.values():
        for use in uses:
            name = use.what.partition(",")[0]
            if use.connection and name in lost.get("network interface", {}):
                text = f"YOUR CONNECTION from {use.connection}, which goes through {name}"
                yield Statement("connection", text, (use.evidence,))


_SEEN = (
    "network interface",
    "block device",
    "input device",
    "graphics device",
    "framebuffer",
    "sound device",
    "wireless adapter",
    "Bluetooth adapter",
    "video device",
    "serial port",
    "sensor",
    "power supply",
    "NVMe controller",
    "watchdog",
    "device node",
    "kprobe",
)
"""Kinds of devices that a person misses, the most important first."""
