"""What plans are made from: read once, so that all parts of a plan are about the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmodtui.errors import PlanError
from kmodtui.model.block.lines import BlockState
from kmodtui.model.block.ways import BlockFacts
from kmodtui.model.live_module import ParameterValue
from kmodtui.model.modprobe_rules import Rule
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import ModuleTable
from kmodtui.model.own_file import OwnFile, OwnStates
from kmodtui.model.plan.keep_facts import KeepFacts
from kmodtui.model.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class InsertedFile:
    """A module file that is to be inserted.

    Attributes:
        path: absolute, without symbolic links.
        name: of the module in the file, however the file is named.
        depends: names of the modules that it depends on, from its modinfo.
        sha256: of the content, in 64 lower-case digits.
        difference: how it differs from the loaded module, in a sentence; empty if it does not.
    """

    path: str
    name: str
    depends: tuple[str, ...] = ()
    sha256: str = ""
    difference: str = ""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """One reading of the system. What a plan does not need may be left out.

    Attributes:
        table: the loaded modules.
        modules: the index of modules under the rules of modprobe.d; None where it cannot be
            read.
        blacklists: all blacklist rules.
        own: what kmodtui's own files say.
        blocking: what is known of the modules that are to be blocked, under the rules as they
            will be, by module.
        keeping: what is known of the modules that are to be kept or forgotten, by module.
        usage: what uses the loaded modules beside other modules.
        files: module files to be inserted, by the path that was given.
        origins: the files of loaded modules that were inserted from a file outside of the
            index, by module; a file that cannot be read has no digest.
        unknown_origins: why the file of a loaded module is unknown, by module.
        parameter_types: types by parameter name, by module.
        shown: the parameters of loaded modules in /sys, by module.
        kept: the parameters that make a new load of a module as it is now, by module.
        not_kept: a sentence for each parameter that cannot be kept, by module.
    """

    table: ModuleTable
    modules: ModuleLookup | None = None
    blacklists: tuple[Rule, ...] = ()
    own: OwnStates = field(default_factory=dict)
    blocking: Mapping[str, BlockFacts] = field(default_factory=dict)
    keeping: Mapping[str, KeepFacts] = field(default_factory=dict)
    usage: Usage = NO_USAGE
    files: Mapping[str, InsertedFile] = field(default_factory=dict)
    origins: Mapping[str, InsertedFile] = field(default_factory=dict)
    unknown_origins: Mapping[str, str] = field(default_factory=dict)
    parameter_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shown: Mapping[str, tuple[ParameterValue, ...]] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def lookup(self) -> ModuleLookup:
        """The index of modules.

        Raises:
            PlanError: it cannot be read.
        """
        if self.modules is None:
            raise PlanError("The index of modules was not read.")
        return self.modules

    @property
    def blocks(self) -> Mapping[str, BlockState]:
        """What kmodtui's block file does, by module."""
        return {name: BlockState(state) for name, state in self.own.get(OwnFile.BLOCK, {}).items()}

    def blacklist_rules(self, name: str) -> tuple[Rule, ...]:
        """Return the rules that blacklist a module."""
        return tuple(rule for rule in self.blacklists if rule.name == name)
