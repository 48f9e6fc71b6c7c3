"""Blocked modules of an observed system: the ways into the kernel, and the proof of a block."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import example, normalised
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.initramfs import PATHS
from kmodtui.kernel.modprobe.config import ModprobeConfig
from kmodtui.kernel.modprobe.file import parse_rules
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.block.lines import BLOCK_FILE, BlockState, block_lines
from kmodtui.model.block.proof import Proof
from kmodtui.model.block.ways import BlockFacts, ways_in
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.modules import canonical
from kmodtui.model.own_file import OwnFile
from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.services.own_files import read_own_files

MODPROBE = "/sbin/modprobe"

_TIME = 20.0
"""Seconds that a dry run of modprobe may take."""

_BATCH = 500
"""Maximum number of names for one dry run."""

_MANY = 6
"""From this number of modules on, one dry run is for the names of several modules."""


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What kmodtui's own files say about modules, and which of them are loaded.

    Attributes:
        blacklisted: the modules that kmodtui has blacklisted.
        blocks: what its block file does, by module.
        loaded: those of the modules in question that are loaded.
    """

    blacklisted: frozenset[str]
    blocks: Mapping[str, BlockState]
    loaded: tuple[str, ...]


def read_restrictions(machine: Machine, names: Sequence[str]) -> Restrictions:
    """Return what is in effect for modules now. Reads files."""
    config = machine.config()
    table = read_modules(machine.host).by_name
    own = read_own_files(machine.host, config)
    return Restrictions(
        frozenset(own[OwnFile.BLACKLIST]),
        {name: BlockState(state) for name, state in own[OwnFile.BLOCK].items()},
        tuple(name for name in names if name in table),
    )


def with_blocks(config: ModprobeConfig, states: Mapping[str, BlockState]) -> ModprobeConfig:
    """Return the configuration as it would be with this content of the block file."""
    text = f"# The helper writes a line here, too.\n{block_lines(states)}"
    return config.replacing(BLOCK_FILE, parse_rules(text, BLOCK_FILE, []))


def block_facts(
    index: ModuleIndex, config: ModprobeConfig, names: Sequence[str], loaded: Collection[str]
) -> dict[str, BlockFacts]:
    """Return what is known about modules under these rules, by module. Reads files."""
    lookup = ConfiguredIndex(index, config)
    aliases = index.aliases()
    users = _softdep_users(lookup, config)
    images = tuple(
        path for path in (form.format(index.release) for form in PATHS) if index.host.exists(path)
    )
    ruled_by: dict[str, list[str]] = {}
    for rule in config.of(RuleKind.ALIAS):
        ruled_by.setdefault(rule.value, []).append(example(rule.name))
    found = {}
    for name in names:
        own = [example(alias) for alias in aliases.get(name, ()) if normalised(alias)]
        ruled = ruled_by.get(name, ())
        found[name] = BlockFacts(
            lookup,
            tuple(dict.fromkeys((*own, *ruled))),
            index.dependents(name),
            tuple(sorted(users.get(name, ()))),
            name in loaded,
            images,
        )
    return found


def _softdep_users(lookup: ConfiguredIndex, config: ModprobeConfig) -> dict[str, list[str]]:
    """Return the modules that have a module as a softdep, by module."""
    users: dict[str, list[str]] = {}
    for name in dict.fromkeys(rule.name for rule in config.of(RuleKind.SOFTDEP)):
        softdep = lookup.softdep(name)
        for text in (*softdep.pre, *softdep.post):
            for found in lookup.find(text):
                if name not in users.setdefault(found.name, []):
                    users[found.name].append(name)
    return users


# --- the proof --------------------------------------------------------------------------------


def prove(machine: Machine, names: Sequence[str]) -> tuple[Proof, ...]:
    """Read the rules again, and ask modprobe what it would do, without loading anything.

    modprobe is only asked on this machine itself, as the current user.
    """
    index = machine.index_now()
    if index is None:
        return ()
    config = machine.config()
    try:
        loaded: Collection[str] = read_modules(machine.host).by_name
    except KmodtuiError:
        loaded = ()
    proofs = []
    here = machine.host.live and not machine.host.badge and machine.looks_at_running
    facts = block_facts(index, config, tuple(map(canonical, names)), loaded)
    for name, known in facts.items():
        install = config.install(name)
        blacklist = config.blacklisted(name)
        rules = tuple(clean(str(rule)) for rule in (blacklist, install) if rule)
        proof = Proof(name, ways_in(name, known), rules)
        proofs.append(proof)
    if not here or not machine.host.exists(MODPROBE):
        return tuple(proofs)
    files = {name: index.path_of(name) or "" for name in facts}
    if len(proofs) > _MANY:
        return _tried_together(proofs, facts, files)
    return tuple(
        _tried(index.host, proof, facts[proof.module], files[proof.module]) for proof in proofs
    )


def _tried_together(
    proofs: Sequence[Proof], facts: Mapping[str, BlockFacts], files: Mapping[str, str]
) -> tuple[Proof, ...]:
    """Return the proofs with what modprobe says, asked for many names and aliases at once."""
    texts = [text for proof in proofs for text in (proof.module, *facts[proof.module].aliases)]
    inserted: set[str] = set()
    for start in range(0, len(texts), _BATCH):
        printed = dry_run(texts[start : start + _BATCH])
        if printed is None:
            return tuple(proofs)
        inserted |= _inserted(printed)
    found = []
    for proof in proofs:
        name = proof.module
        loads = (name,) if os.path.realpath(files[name]) in inserted else ()
        tried = (name, *facts[name].aliases)
        found.append(Proof(name, proof.ways, proof.rules, tried, loads))
    return tuple(found)


def _tried(host: Host, proof: Proof, facts: BlockFacts, path: str) -> Proof:
    """Return the proof with what modprobe says for the name and each alias."""
    texts = (proof.module, *facts.aliases)
    printed = dry_run([proof.module])
    if printed is None or not host.exists(MODPROBE):
        return proof
    loads = []
    if _inserts(printed, path):
        loads.append(proof.module)
    for start in range(1, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        if _inserts(dry_run(batch) or "", path):
            # Only now is it worth a process for each, to find out which one it is.
            loads += [text for text in batch if _inserts(dry_run([text]) or "", path)]
    return Proof(proof.module, proof.ways, proof.rules, texts, tuple(loads), clean(printed.strip()))


def _inserts(printed: str, path: str) -> bool:
    """Return whether modprobe would insert a file, whatever symbolic links lead to it."""
    return os.path.realpath(path) in _inserted(printed)


def _inserted(printed: str) -> set[str]:
    """Return the files that modprobe would insert."""
    words = (line.split() for line in printed.splitlines())
    return {os.path.realpath(line[1]) for line in words if line[:1] == ["insmod"]}


def dry_run(texts: Sequence[str]) -> str | None:
    """Return what `modprobe --show-depends -a -- TEXT…` prints; None if it cannot be run.

    It is what `modprobe -n -v` prints, but for loaded modules as well.
    """
    command = [MODPROBE, "--show-depends", "-a", "--", *texts]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIME,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout)
