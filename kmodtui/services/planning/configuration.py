"""What is wrong with modprobe's configuration, as far as it concerns the modules of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.modprobe.config import replaced_files
from kmodtui.model.modprobe_rules import ALLOWED, Problem, option_words
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.parameters import TRUTHS, key_of, problems
from kmodtui.model.plan.plan import GIVEN, Action, Plan, Step
from kmodtui.model.rule_problems import problems_about
from kmodtui.model.text import clean, shortened


def configuration_problems(plan: Plan, lookup: ConfiguredIndex) -> tuple[Problem, ...]:
    """Return the problems that a plan should mention. Reads the files of modules with options."""
    names = [step.module for step in plan.steps]
    found: list[Problem] = []
    for step in plan.steps:
        if step.action is not Action.INSMOD or not (step.options or step.module in plan.targets):
            continue
        try:
            info = lookup.index.read_info(step.module)
        except KmodtuiError:
            continue
        # A dependency that is built in is not in the index of dependencies; nor is kvm one of
        # kvm_intel in all kernels, whose options are meant for both.
        names += info.depends
        names += accumulate(step.module.split("_")[:-1], "{}_{}".format)
        found += _of_options(step, info)
        found += _unsupported(step, info, lookup)
    replaced = replaced_files(lookup.index.host)
    return (*problems_about((*lookup.problems, *replaced), names), *found)


def _of_options(step: Step, info: ModuleInfo) -> Iterator[Problem]:
    """Yield the options from rules that the kernel would refuse or ignore."""
    types = {parameter.name: parameter.type for parameter in info.parameters}
    truths = {key_of(name) for name, kind in types.items() if kind in TRUTHS}
    for option in step.options:
        if option.source == GIVEN:
            continue
        for word in option_words(option.text):
            if word.startswith("#"):
                break  # reported for its line, with all words behind it
            if "=" not in word and key_of(word) in truths:
                continue  # `debug` is `debug=y`
            if word.startswith(_QUOTE):
                word = word.strip(_QUOTE)  # the kernel takes `"name=a b"`, too
            name, equals, value = word.partition("=")
            plain = f"{name}={value.strip(_QUOTE)}" if equals else word
            for text in problems(step.module, [plain], types):
                yield Problem(clean(option.source), clean(shortened(text, 300)), (step.module,))
            if word.endswith("#"):
                break


_QUOTE = '"'


def _unsupported(step: Step, info: ModuleInfo, lookup: ConfiguredIndex) -> Iterator[Problem]:
    """Yield that SUSE's modprobe, the only one that has such a rule, refuses a module."""
    rule = lookup.config.allow_unsupported
    if rule is None or rule.value.strip() in ALLOWED:
        return
    supported = {field.value for field in info.fields if field.raw_key == b"supported"}
    if supported & {"yes", "external"}:
        return
    text = (
        f"SUSE's modprobe refuses {step.module}: SUSE does not support it. Copy {clean(rule.file)} "
        "to /etc/modprobe.d and set 1 there, or boot once with oem-modules=1."
    )
    yield Problem(rule.source, text, (step.module,))
