"""What a plan has to know of a kernel release's modules and of the rules for them."""

from __future__ import annotations

from typing import Protocol

from kmodtui.errors import UnknownModuleError
from kmodtui.model.modprobe_rules import Found, Rule, Softdep
from kmodtui.model.plan import Option


class ModuleLookup(Protocol):
    """The index that depmod wrote, under the rules of modprobe.d; see `kernel.configured_index`."""

    @property
    def release(self) -> str:
        """The kernel release whose modules these are."""
        ...

    def find(self, text: str) -> tuple[Found, ...]:
        """Return the modules that a name or alias stands for; none if it stands for nothing."""
        ...

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error that says that there is no such module, with near names."""
        ...

    def path_of(self, name: str) -> str | None:
        """Return the module's file as the index has it, None if it names none."""
        ...

    def has_file(self, name: str) -> bool:
        """Return whether that file is there."""
        ...

    def is_builtin(self, name: str) -> bool:
        """Return whether the module is compiled into the kernel."""
        ...

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return everything it needs, in load order."""
        ...

    def softdep(self, name: str) -> Softdep:
        """Return names or aliases of what is tried before and after it."""
        ...

    def weakdeps(self, name: str) -> tuple[str, ...]:
        """Return names or aliases of what it may load by itself later."""
        ...

    def options(self, name: str, alias: str = "") -> tuple[Option, ...]:
        """Return what the rules give to it at each load, and to it as this alias."""
        ...

    def install(self, name: str) -> Rule | None:
        """Return the rule whose command runs in place of loading it."""
        ...

    def remove(self, name: str) -> Rule | None:
        """Return the rule whose command runs in place of unloading it."""
        ...

    def blacklisted(self, name: str) -> Rule | None:
        """Return the rule that keeps it from being loaded by an alias."""
        ...

    def is_forbidden(self, name: str) -> bool:
        """Return whether the kernel itself refuses it (`module_blacklist=`)."""
        ...
