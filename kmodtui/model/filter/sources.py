"""What filters compare: the text and the fields of each kind of list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, TypeVar

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.terms import Value
from kmodtui.model.modules import LoadedModule

if TYPE_CHECKING:
    from kmodtui.model.catalog_entry import CatalogEntry
    from kmodtui.model.devices.device import Device
    from kmodtui.model.exposure.exposure import Exposure
    from kmodtui.model.log.tail import Entry
    from kmodtui.model.timeline.event import TimelineEvent

T = TypeVar("T")

RULES = ("reach", "blocked")
"""Fields that need the exposure of the modules."""


class ModuleSource:
    """The loaded modules; words are searched in their names."""

    kind = FilterKind.MODULES

    def __init__(
        self, modules: Iterable[LoadedModule], exposures: Mapping[str, Exposure] | None = None
    ) -> None:
        """Prepare for modules; without `exposures`, the fields of RULES are unknown."""
        self._modules = modules
        self._exposures = exposures or {}

    @cached_property
    def _needs(self) -> dict[str, list[str]]:
        needs: dict[str, list[str]] = {}
        for module in self._modules:
            for user in module.users:
                needs.setdefault(user, []).append(module.name)
        return needs

    text = staticmethod(attrgetter("name"))  # faster than a method, for thousands of modules

    def value(self, item: LoadedModule, field: str) -> Value:
        """Return the value of a field."""
        match field:
            case "name":
                return item.name
            case "size":
                return item.size
            case "refs":
                return item.refcount
            case "state":
                return item.state.lower()
            case "taint":
                return item.taints
            case "signed":
                return "E" not in item.taints
            case "used-by":
                return item.users
            case "needs":
                return tuple(self._needs.get(item.name, ()))
            case "permanent":
                return item.permanent
            case _:
                return exposure_value(self._exposures.get(item.name), field)


class ExposureSource:
    """Who can have modules loaded; words are searched in names and reasons."""

    kind = FilterKind.EXPOSURE

    def text(self, item: Exposure) -> str:
        """Return the name, the reach and the reasons."""
        from kmodtui.model.exposure.exposure import reason_words

        state = "loaded" if item.loaded else ""
        return f"{item.name} {state} {item.reach} {reason_words(item)}"

    def value(self, item: Exposure, field: str) -> Value:
        """Return the value of a field."""
        return exposure_value(item, field)


class DeviceSource:
    """The devices; words are searched in name, bus, address, state and modules."""

    kind = FilterKind.DEVICES

    def text(self, item: Device) -> str:
        """Return all that is shown of a device."""
        at, others = item.on_bus, ", ".join(item.others)
        more = f" Also matches: {others}" if others else ""
        return f"{item.state} {item.name} {at.bus} {at.address}: {item.reason}{more}"

    def value(self, item: Device, field: str) -> Value:
        """Return the value of a field."""
        match field:
            case "module":
                return tuple(filter(None, (item.module, *item.others)))
            case "state":
                return item.state.replace(" ", "-")
            case _:
                return str(getattr(item.on_bus, field))


class EventSource:
    """The events of the timeline; words are searched in their summaries."""

    kind = FilterKind.EVENTS

    def text(self, item: TimelineEvent) -> str:
        """Return the kind, the modules and the summary."""
        from kmodtui.model.timeline.summary import summary

        return f"{item.kind.value} {' '.join(item.modules)} {summary(item)}"

    def value(self, item: TimelineEvent, field: str) -> Value:
        """Return the value of a field."""
        return item.modules if field == "module" else item.kind.value


class CatalogSource:
    """The modules of a release; words are searched in all that describes them."""

    kind = FilterKind.CATALOG

    def __init__(self, loaded: Collection[str], exposures: Mapping[str, Exposure]) -> None:
        self._loaded = loaded
        self._exposures = exposures

    def text(self, item: CatalogEntry) -> str:
        """Return name, aliases, category and description."""
        return " ".join((item.name, *item.aliases, item.category, item.description))

    def value(self, item: CatalogEntry, field: str) -> Value:
        """Return the value of a field; what only its file says is unknown before it is read."""
        match field:
            case "name" | "category" | "builtin" | "external":
                return getattr(item, field)  # type: ignore[no-any-return]
            case "loaded":
                return not item.builtin and item.name in self._loaded
            case "signed":
                return bool(item.signer) if item.read and not item.builtin else None
            case "license":
                return item.license if item.read else None
            case _:
                return exposure_value(self._exposures.get(item.name), field)


class TextSource(Generic[T]):
    """Lines of text, which have no fields."""

    kind = FilterKind.TEXT

    def __init__(self, text: Callable[[T], str]) -> None:
        """Search in what `text` returns of a line."""
        self.text = text

    def value(self, item: T, field: str) -> Value:  # noqa: ARG002
        """Return that the value of a field is unknown."""
        return None


class LogSource:
    """The messages of the kernel log."""

    kind = FilterKind.LOG

    def text(self, item: Entry) -> str:
        """Return the message."""
        return item.text

    def value(self, item: Entry, field: str) -> Value:  # noqa: ARG002  there is one field
        """Return the level; a note of kmodtui has none."""
        return item.record.level if item.record is not None else None


def exposure_value(each: Exposure | None, field: str) -> Value:
    """Return the value of a field of an exposure; None if the exposure is unknown."""
    from kmodtui.model.exposure.request import BY_WORD

    if each is None:
        return None
    match field:
        case "name":
            return each.name
        case "loaded":
            return each.loaded
        case "blocked":
            return bool(each.closed)
        case _:
            return next(word for word, reach in BY_WORD.items() if reach is each.reach)
