"""The policies that are shipped, and those in files."""

from __future__ import annotations

import os
from importlib.resources import files

from kmodtui.errors import PolicyError
from kmodtui.model.audit.policy import Policy, parse_policy
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.text import clean

SUFFIX = ".toml"
_LIMIT = 1024 * 1024  # bytes; the largest shipped one has 4 KB


def shipped_policies() -> tuple[Policy, ...]:
    """Return the policies that come with kmodtui, by name."""
    directory = files("kmodtui") / "policies"
    names = sorted(file.name for file in directory.iterdir() if file.name.endswith(SUFFIX))
    return tuple(
        parse_policy((directory / name).read_text("utf-8"), name.removesuffix(SUFFIX))
        for name in names
    )


def policy_directory() -> str:
    """Return where the shipped policies are."""
    return str(files("kmodtui") / "policies")


def find_policy(text: str) -> Policy:
    """Return the policy in a file, or the shipped one of that name.

    Args:
        text: a name, or a path: it has a `/` or ends in `.toml`.

    Raises:
        PolicyError: there is no such policy, or it has an error.
    """
    if "/" in text or text.endswith(SUFFIX):
        return _read(text)
    policies = {policy.name: policy for policy in shipped_policies()}
    if text in policies:
        return policies[text]
    hint = did_you_mean(near(text, policies)) or "kmodtui audit lists the policies."
    raise PolicyError(
        f"There is no policy {clean(text)}.", f"{hint} A file needs the suffix .toml."
    )


def _read(path: str) -> Policy:
    name = clean(os.path.basename(path).removesuffix(SUFFIX))
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise PolicyError(f"{clean(path)} cannot be read: {error.strerror}.") from error
    if len(data) > _LIMIT:
        raise PolicyError(f"{clean(path)} is too large for a policy.")
    try:
        return parse_policy(data.decode(), name)
    except UnicodeDecodeError as error:
        raise PolicyError(f"{clean(path)} is not in UTF-8.", "Save it as UTF-8.") from error
