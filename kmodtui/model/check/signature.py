"""The check of a module's signature, as the kernel does it."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.check.check import FileFacts, Finding, KernelFacts, Mark

_REINSTALL = "Reinstall the package that it belongs to."


def check_signature(file: FileFacts, kernel: KernelFacts) -> Iterator[Finding]:
    """Mirror `module_sig_check`, which runs before anything else of the file is parsed."""
    if (kernel.options or {}).get("MODULE_SIG", "y") != "y":
        yield Finding("signature", Mark.FINE, "This kernel does not check signatures.")
        return
    seal = file.seal
    if file.damage and file.info is None and not seal.content:
        return  # not an ELF file: its signature was not read and does not matter
    if seal.fault:
        yield Finding(
            "signature",
            Mark.REFUSES,
            f"Its signature is damaged: {seal.fault}. The kernel refuses it even if it allows "
            "unsigned modules.",
            "EBADMSG",
            _REINSTALL,
        )
        return
    if seal.marked and seal.supported:
        yield _signed(file, kernel)
        return
    what = "It is not signed"
    if seal.marked:
        what = "Its signature type is not supported by kernels since Linux 4.3"
    yield _unsigned(what, kernel)


def _signed(file: FileFacts, kernel: KernelFacts) -> Finding:
    signature = file.info.signature if file.info else None
    if signature is None or not signature.readable:
        return Finding(
            "signature", Mark.UNKNOWN, "It is signed, but kmodtui cannot parse the signature."
        )
    signer = signature.signer_name or "an unnamed key"
    if kernel.signature_fits is False:
        return Finding(
            "signature",
            Mark.REFUSES,
            f"It was modified after {signer} signed it: the signature does not match. The kernel "
            "refuses it even if it allows unsigned modules.",
            "EKEYREJECTED",
            _REINSTALL,
        )
    if kernel.signature_fits:
        text = f"It is signed by {signer} with a key built into this kernel, and unmodified."
        return Finding("signature", Mark.FINE, text)
    reference = kernel.reference
    if reference is not None and reference.key == signature.key_id:
        return Finding(
            "signature",
            Mark.FINE,
            f"It is signed by {signer}, like the kernel's own modules. Only the kernel can verify "
            "that the signature matches the file.",
        )
    text = f"It is signed by {signer}, not with the key of the kernel's own modules"
    if _enforced(kernel):
        return Finding(
            "signature",
            Mark.UNKNOWN,
            f"{text}: it loads only if the kernel trusts that key, because {_enforced(kernel)}.",
            remedy="As root, see the keyrings .secondary_trusted_keys and .machine in /proc/keys.",
        )
    return Finding(
        "signature",
        Mark.NOTE,
        f"{text}. If the kernel does not trust that key, it loads the module and sets taint E.",
    )


def _unsigned(what: str, kernel: KernelFacts) -> Finding:
    if why := _enforced(kernel):
        enforced = kernel.sig_enforce or kernel.sig_enforce is None
        return Finding(
            "signature",
            Mark.REFUSES,
            f"{what}, and {why}.",
            "EKEYREJECTED" if enforced else "EPERM",
            "Sign it with a key that the kernel trusts (enrol one with mokutil --import).",
        )
    if kernel.running and kernel.sig_enforce is None and kernel.options is None:
        return Finding(
            "signature",
            Mark.UNKNOWN,
            f"{what}, and whether this kernel requires signatures is unknown.",
        )
    return Finding("signature", Mark.NOTE, f"{what}. The kernel loads it and sets taint E.")


def _enforced(kernel: KernelFacts) -> str:
    """Return why this kernel refuses unsigned modules; empty if it does not."""
    if kernel.sig_enforce:
        return "this kernel refuses unsigned modules (module.sig_enforce)"
    if kernel.sig_enforce is None and (kernel.options or {}).get("MODULE_SIG_FORCE") == "y":
        return "this kernel refuses unsigned modules (CONFIG_MODULE_SIG_FORCE)"
    if kernel.lockdown in ("integrity", "confidentiality"):
        return f"the kernel is locked down ({kernel.lockdown}), which refuses unsigned modules"
    return ""
