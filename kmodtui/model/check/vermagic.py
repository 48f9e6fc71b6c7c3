"""Comparing the version magic of a module with that of the kernel, word by word.

Source: `same_magic` in `kernel/module/version.c` and `VERMAGIC_STRING` in
`include/linux/vermagic.h`: the release, then a word for each kernel option that
makes modules incompatible.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

_CHECKSUMS = "modversions"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a version magic.

    Attributes:
        text: the word.
        differs: whether the other version magic lacks it or has another word instead.
    """

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class VermagicComparison:
    """Two version magics, and whether the kernel accepts the module.

    Attributes:
        module: the module's words.
        kernel: the kernel's words.
        accepted: whether the kernel accepts the module's version magic.
        release_ignored: whether they differ only in the release and it is accepted because
            the kernel compares symbol checksums instead.
    """

    module: tuple[Word, ...]
    kernel: tuple[Word, ...]
    accepted: bool
    release_ignored: bool


def compare_vermagic(module: str, kernel: str, *, has_checksums: bool) -> VermagicComparison:
    """Compare two version magics as the kernel does.

    Args:
        module: the module's version magic.
        kernel: the kernel's version magic.
        has_checksums: whether the module has a section `__versions`.
    """
    ours, theirs = module.split(), kernel.split()
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    same_ours: set[int] = set()
    same_theirs: set[int] = set()
    for left, right, length in matcher.get_matching_blocks():
        same_ours.update(range(left, left + length))
        same_theirs.update(range(right, right + length))
    skips = has_checksums and _CHECKSUMS in theirs
    accepted = ours[1:] == theirs[1:] if skips else ours == theirs
    return VermagicComparison(
        tuple(Word(word, place not in same_ours) for place, word in enumerate(ours)),
        tuple(Word(word, place not in same_theirs) for place, word in enumerate(theirs)),
        accepted,
        release_ignored=accepted and ours != theirs,
    )


def compares_checksums(vermagic: str) -> bool:
    """Return whether a kernel with that version magic compares checksums (CONFIG_MODVERSIONS)."""
    return _CHECKSUMS in vermagic.split()


_KINDS = {
    "+debug": "a debug kernel",
    "-debug": "a debug kernel",
    "+rt": "a real-time kernel",
    "preempt_rt": "a real-time kernel",
    "preempt": "a preemptible kernel",
    "SMP": "a kernel for several processors (SMP)",
}
"""The kernel that a word, or the end of the release, stands for."""


def difference_words(compared: VermagicComparison) -> str:
    """Return what the words that differ stand for, in sentences; empty if they are unknown."""
    module, kernel = _kinds(compared.module), _kinds(compared.kernel)
    sentences = []
    if only := [words for words in module if words not in kernel]:
        sentences.append(f" It is for {' and '.join(only)}.")
    if only := [words for words in kernel if words not in module]:
        sentences.append(f" This is {' and '.join(only)}.")
    return "".join(sentences)


def _kinds(words: tuple[Word, ...]) -> list[str]:
    """Return the kinds of kernel that words of a version magic stand for."""
    found = []
    for place, word in enumerate(words):
        if place == 0:
            found += [kind for end, kind in _KINDS.items() if word.text.endswith(end)]
        elif word.text in _KINDS:
            found.append(_KINDS[word.text])
        elif word.text.startswith("ARMv"):
            found.append(f"a kernel for {word.text}")
    return list(dict.fromkeys(found))
