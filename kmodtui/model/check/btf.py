"""Whether the type information (BTF) of a module file is accepted."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.check.check import BtfFit, FileFacts, Finding, KernelFacts, Mark
from kmodtui.model.text import human_size


def check_btf(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `btf_module_notify` in `kernel/bpf/btf.c`, which runs last."""
    options = kernel.options or {}
    signature = file.info.signature if file.info else None
    if signature and kernel.reference and kernel.reference.key == signature.key_id:
        return  # signed with the key of the kernel's own modules, so it was built with them
    if not file.btf or options.get("DEBUG_INFO_BTF_MODULES", "y" if not options else "n") != "y":
        return
    refuses = "the kernel refuses it"
    if options.get("MODULE_ALLOW_BTF_MISMATCH") == "y":
        refuses = "this kernel only logs a warning and ignores the types"
    elif not options:
        refuses = "some kernels refuse it"
    what = f"type information (.BTF, {human_size(file.btf)})"
    if kernel.btf is BtfFit.SAME_BUILD:
        yield Finding("BTF", Mark.FINE, f"Its {what} fits this kernel's.")
        return
    if kernel.btf is not None:
        yield _other_btf(what, kernel)
        return
    yield Finding(
        "BTF",
        Mark.NOTE,
        f"It has {what}, which could not be compared with this kernel's. If it is from another "
        f"build of the kernel, {refuses}.",
    )


def _other_btf(what: str, kernel: KernelFacts) -> Finding:
    text = f"Its {what} is from another build of this kernel"
    remedy = (
        "Reinstall the kernel's package, so that both are of one build. For a module of your own: "
        "rebuild it, or remove the section with objcopy -R .BTF."
    )
    if not kernel.options:
        return Finding("BTF", Mark.UNKNOWN, f"{text}; some kernels refuse it.", remedy=remedy)
    if kernel.options.get("MODULE_ALLOW_BTF_MISMATCH") == "y":
        text += "; this kernel only logs a warning and ignores the types."
        return Finding("BTF", Mark.NOTE, text, remedy=remedy)
    if kernel.btf is BtfFit.REFUSED:
        return Finding("BTF", Mark.REFUSES, f"{text}: it does not fit.", "EINVAL", remedy)
    return Finding("BTF", Mark.UNKNOWN, f"{text}; the kernel may refuse it.", remedy=remedy)
