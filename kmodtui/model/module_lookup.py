"""What planning needs to know about a kernel release's modules and the rules for them."""

from __future__ import annotations

from typing import Protocol

from kmodtui.errors import UnknownModuleError
from kmodtui.model.modprobe_rules import Found, Rule, Softdep
from kmodtui.model.plan.plan import Option
from kmodtui.model.storage import Advice


class ModuleLookup(Protocol):
    """depmod's index combined with the rules of modprobe.d; see `kernel.configured_index`."""

    @property
    def advice(self) -> Advice:
        """What to do about module files and their index on this system."""
        ...

    def find(self, text: str) -> tuple[Found, ...]:
        """Return the modules that a name or alias resolves to; none if it is unknown."""
        ...

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error for a module that does not exist, with similar names as a hint."""
        ...

    def path_of(self, name: str) -> str | None:
        """Return the path of the module's file from the index; None if it has none."""
        ...

    def has_file(self, name: str) -> bool:
        """Return whether that file exists."""
        ...

    def link_of(self, name: str) -> str:
        """Return the target of a file that is a symbolic link; empty for others."""
        ...

    def is_builtin(self, name: str) -> bool:
        """Return whether the module is built into the kernel."""
        ...

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return all its dependencies, direct and indirect, in load order."""
        ...

    def softdep(self, name: str) -> Softdep:
        """Return its soft dependencies."""
        ...

    def weakdeps(self, name: str) -> tuple[str, ...]:
        """Return names or aliases of modules that it may request later."""
        ...

    def options(self, name: str, alias: str = "") -> tuple[Option, ...]:
        """Return the options that rules set for it, and for the alias that it is loaded by."""
        ...

    def install(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of loading it."""
        ...

    def remove(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of unloading it."""
        ...

    def blacklisted(self, name: str) -> Rule | None:
        """Return the `blacklist` rule that prevents loading it by an alias."""
        ...

    def is_blocked(self, name: str) -> bool:
        """Return whether `module_blacklist=` on the kernel command line blocks it."""
        ...
