"""What a person asks for, and how it is worded."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Verb(StrEnum):
    """A change of the kernel's modules or of their configuration.

    Attributes:
        past: what has been done to a module: `loaded`.
        key: the word behind the key that confirms it.
        infinitive_of: `load {}`, where `{}` stands for the modules.
        gerund_of: `loading {}`.
        noun_of: `load of {}`.
    """

    LOAD = "load", "load {}", "loading {}", "load of {}", "loaded"
    UNLOAD = "unload", "unload {}", "unloading {}", "unload of {}", "unloaded"
    RELOAD = "reload", "reload {}", "reloading {}", "reload of {}", "reloaded"
    INSERT = "insert", "insert {}", "inserting {}", "insertion of {}", "inserted"
    SET = "set", "change {}", "changing {}", "change of {}", "changed", "change"
    BLACKLIST = "blacklist", "blacklist {}", "blacklisting {}", "blacklisting of {}", "blacklisted"
    UNBLACKLIST = (
        "unblacklist",
        "remove {} from the blacklist",
        "removing {} from the blacklist",
        "removal of {} from the blacklist",
        "removed from the blacklist",
        "remove",
    )
    BLOCK = "block", "block {}", "blocking {}", "block of {}", "blocked"
    LOG_LOADS = (
        "log-loads",
        "log loads of {}",
        "logging loads of {}",
        "logging of loads of {}",
        "logged",
        "log",
    )
    UNBLOCK = "unblock", "unblock {}", "unblocking {}", "unblocking of {}", "unblocked"
    KEEP = "keep", "keep {}", "keeping {}", "keeping of {}", "kept"
    FORGET = "forget", "forget {}", "forgetting {}", "forgetting of {}", "forgotten"
    KEEP_OPTIONS = (
        "keep-options",
        "keep options of {}",
        "keeping options of {}",
        "change of the kept options of {}",
        "kept",
        "keep",
    )
    FORGET_OPTIONS = (
        "forget-options",
        "forget the options of {}",
        "forgetting the options of {}",
        "removal of the kept options of {}",
        "forgotten",
        "forget",
    )

    past: str
    key: str
    infinitive_of: str
    gerund_of: str
    noun_of: str

    # The words have defaults because `Verb("load")` looks a member up by its value alone.
    def __new__(
        cls,
        value: str,
        infinitive: str = "",
        gerund: str = "",
        noun: str = "",
        past: str = "",
        key: str = "",
    ) -> Self:
        """Take the words; `{}` stands for the modules."""
        verb = str.__new__(cls, value)
        verb._value_ = value
        verb.infinitive_of, verb.gerund_of, verb.noun_of = infinitive, gerund, noun
        verb.past, verb.key = past, key or value
        return verb

    def of(self, what: str) -> str:
        """Return the change as a noun: `load of btrfs`."""
        return self.noun_of.format(what)

    def infinitive(self, what: str) -> str:
        """Return what to do: `load btrfs`."""
        return self.infinitive_of.format(what)

    def heading(self, what: str) -> str:
        """Return the title of its plan: `Load btrfs`."""
        return _capitalized(self.infinitive(what))

    def gerund(self, what: str) -> str:
        """Return what is going on, within a sentence: `loading btrfs`."""
        return self.gerund_of.format(what)

    def running(self, what: str) -> str:
        """Return what is going on, as a heading: `Loading btrfs`."""
        return _capitalized(self.gerund(what))


def _capitalized(words: str) -> str:
    """Return words with a capital at the beginning; names keep theirs."""
    return words[:1].upper() + words[1:]
