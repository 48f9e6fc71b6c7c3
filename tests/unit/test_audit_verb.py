"""The verb `audit`: policies, their errors, and the result as text, JSON, JUnit and SARIF."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from kmodtui import __version__
from kmodtui.cli import run
from kmodtui.errors import PolicyError
from kmodtui.model.audit.policy import Switch, Wanted, parse_policy
from kmodtui.services.policies import find_policy, shipped_policies
from tests.support.captured import OTHER, RUNNING, A, Captured, capture

Output = pytest.CaptureFixture[str]

POLICY = """
schema = 1
title = "Ours & <others>"

[[module]]
name = "udf"
wanted = "blocked"
reason = "A \\u001b[31mred\\u0000 reason."
reference = "1.1"

[[module]]
name = "usb-storage"
wanted = "denylisted"
reason = "Disks."

[[module]]
name = "nfs"
wanted = "blocked"
reason = "Servers."

[[switch]]
name = "modules_disabled"
wanted = true
reason = "Servers."
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    files = {
        "/etc/modprobe.d/a b.conf": "# ours\nblacklist udf\nblacklist usb-storage\n",
        "/etc/modprobe.d/a.conf.bak": "install udf /bin/false\n",
    }
    capture(Captured(files, (RUNNING, OTHER)), root)
    (tmp_path / "ours.toml").write_text(POLICY)
    return root


def audit(tree: Path, *more: str) -> int:
    return run(["audit", "--policy", str(tree.parent / "ours.toml"), "--root", str(tree), *more])


def test_the_text_names_rule_reason_and_reference(tree: Path, capsys: Output) -> None:
    assert audit(tree) == 1
    assert capsys.readouterr().out == (
        "ours: Ours & <others>\n"
        "\n"
        f"Linux {RUNNING} (running)\n"
        "  NO  udf          denylisted  blacklist stops its aliases only; by name: no install rule "
        "(/etc/modprobe.d/a b.conf:2)\n"
        "                   ignored: /etc/modprobe.d/a.conf.bak: modprobe does not read it: its "
        "name does not end in .conf; it is a backup copy. 1 rule in it, such as “install udf "
        "/bin/false”, has no effect.\n"
        "                   wanted: blocked. A \\x1b[31mred\\x00 reason. [1.1]\n"
        "  ok  usb_storage  denylisted  blacklist stops its aliases only; by name: no install rule "
        "(/etc/modprobe.d/a b.conf:3)\n"
        "  ok  nfs          absent      this kernel has no such module "
        f"(/lib/modules/{RUNNING}/modules.dep)\n"
        "\n"
        "The running system\n"
        "  ?   modules_disabled  unknown     /proc/sys/kernel/modules_disabled cannot be read\n"
        "                        wanted: yes. Servers.\n"
        "\n"
        "Note: 1 other kernel is installed; --kernel all audits every kernel.\n"
        "2 of 4 requirements met, 1 not met, 1 could not be determined. Result: not compliant.\n"
    )


def test_json_has_file_and_line_of_the_rule(tree: Path, capsys: Output) -> None:
    assert audit(tree, "--kernel", "all", "--format", "json") == 1
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert found["result"] == "not compliant"
    assert [kernel["release"] for kernel in found["kernels"]] == [RUNNING, OTHER]
    first = found["kernels"][0]["modules"][0]
    assert (first["state"], first["file"], first["line"]) == (
        "denylisted",
        "/etc/modprobe.d/a b.conf",
        2,
    )
    assert first["reason"] == "A \\x1b[31mred\\x00 reason."
    assert found["switches"][0]["value"] is None
    assert audit(tree, "--kernel", "all", "--json") == 1
    assert capsys.readouterr().out == printed


def test_junit_has_a_suite_for_each_kernel(tree: Path, capsys: Output) -> None:
    assert audit(tree, "--kernel", "all", "--format", "junit") == 1
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in root] == [
        f"ours {RUNNING}",
        f"ours {OTHER}",
        "ours switches",
    ]
    for element in (root, *root):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for attribute, tag in (("failures", "failure"), ("errors", "error")):
            assert element.get(attribute) == str(len(list(element.iter(tag))))
    for suite in root:
        assert all(case.get("classname") == suite.get("name") for case in suite)
        assert len({case.get("name") for case in suite}) == len(suite)
    failure = root[0][0][0]
    assert (failure.tag, failure.get("type")) == ("failure", "denylisted")
    assert "a b.conf:2" in (failure.get("message") or "")
    assert failure.text == "A \\x1b[31mred\\x00 reason."
    assert root[2][0][0].tag == "error"


def test_sarif_has_what_version_2_1_0_requires(tree: Path, capsys: Output) -> None:
    assert audit(tree, "--kernel", "all", "--format", "sarif") == 1
    log = json.loads(capsys.readouterr().out)
    assert log.keys() == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("kmodtui", __version__)
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == ["ours/udf", "ours/usb_storage", "ours/nfs", "ours/modules_disabled"]
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    (invocation,) = one["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)
    assert len(one["results"]) == 7
    fingerprints = set()
    for result in one["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["kind"] in ("pass", "fail", "open")
        # § 3.27.10: unless the kind is "fail", the level is "none".
        assert result["level"] == ("error" if result["kind"] == "fail" else "none")
        assert result["message"]["text"]
        fingerprints.add(result["partialFingerprints"]["kmodtui/v1"])
        (location,) = result["locations"]
        (logical,) = location["logicalLocations"]
        assert logical["fullyQualifiedName"].endswith(logical["name"])
        physical = location["physicalLocation"]
        uri = urlsplit(physical["artifactLocation"]["uri"])
        assert (uri.scheme, uri.netloc) == ("file", "")
        assert unquote(uri.path).startswith("/")
        assert re.fullmatch(r"[\w/.%~-]+", uri.path, re.ASCII)
        assert physical.get("region", {"startLine": 1})["startLine"] >= 1
    assert len(fingerprints) == 7
    first = one["results"][0]["locations"][0]["physicalLocation"]
    assert first == {
        "artifactLocation": {"uri": "file:///etc/modprobe.d/a%20b.conf"},
        "region": {"startLine": 2},
    }
    assert one["results"][-1]["kind"] == "open"


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif"])
@pytest.mark.parametrize(("rule", "status"), [("/bin/false", 0), ("/x", 2)])
def test_the_exit_status_is_the_same_in_every_format(
    tmp_path: Path, capsys: Output, form: str, rule: str, status: int
) -> None:
    capture(Captured({A: f"install udf {rule}\n"}), tmp_path / "root")
    text = POLICY[: POLICY.index("[[switch]]")].replace('"denylisted"', '"not loaded"')
    (tmp_path / "ours.toml").write_text(text)
    assert audit(tmp_path / "root", "--format", form) == status
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--policy", "cis-debian-21"],
        ["--policy", "./none.toml"],
        ["--policy", "local-root-2026", "--kernel", "6.0-none"],
    ],
)
def test_an_audit_that_fails_has_status_2(tree: Path, capsys: Output, arguments: list[str]) -> None:
    assert run(["audit", *arguments, "--root", str(tree)]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("kmodtui: ")


def test_an_internal_error_has_status_2_too(
    tree: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("kmodtui.verbs.audit.audit", fail)
    assert audit(tree) == 2
    assert "Internal error" in capsys.readouterr().err


# Policies


def test_without_a_policy_those_that_are_shipped_are_listed(capsys: Output) -> None:
    assert run(["audit"]) == 0
    out = capsys.readouterr().out
    assert "cis-debian-12       CIS Benchmark for Debian 12, 1.1.0: 13 modules\n" in out
    assert run(["audit", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["policies"]
    assert [each["name"] for each in listed] == [policy.name for policy in shipped_policies()]


def test_every_shipped_policy_says_where_it_is_from() -> None:
    policies = shipped_policies()
    assert len(policies) >= 10
    for policy in policies:
        assert policy.version
        assert policy.source.startswith("https://")
        for each in policy.requirements:
            assert each.reference, f"{policy.name}: {each.name}"
            assert each.reason.endswith(".")
            assert len(each.reason) < 110


def test_the_policy_of_2026_has_the_modules_of_the_exploits() -> None:
    found = {each.name: each.reference for each in find_policy("local-root-2026").modules}
    assert found.keys() == {"algif_aead", "esp4", "esp6", "rxrpc", "cifs"}
    assert all(re.match(r"CVE-2026-\d{5} ", reference) for reference in found.values())


def test_a_name_that_is_mistyped_gets_a_suggestion() -> None:
    with pytest.raises(PolicyError, match="Did you mean cis-debian-12 or cis-debian-13"):
        find_policy("cis-debian-1")


def test_a_policy_is_read_as_it_is_written() -> None:
    policy = parse_policy(
        'schema = 1\ntitle = "T"\n[[switch]]\nname = "kernel.modprobe"\nwanted = ""\nreason = "R."'
        '\n[[module]]\nname = "usb-storage"\nwanted = "not loaded"\nreason = "R."\ninitcalls = "x"',
        "ours",
    )
    (module,), (switch,) = policy.modules, policy.switches
    assert (module.name, module.wanted, module.initcalls) == (
        "usb_storage",
        Wanted.NOT_LOADED,
        ("x",),
    )
    assert (switch.name, switch.wanted) == (Switch.MODPROBE, ("",))


HEAD = 'schema = 1\ntitle = "T"\n'
UDF = '[[module]]\nname = "udf"\nwanted = "blocked"\nreason = "R."\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ours: schema must be 1"),
        ('schema = 2\ntitle = "T"\n' + UDF, "ours: schema must be 1"),
        ('schema = true\ntitle = "T"\n' + UDF, "ours: schema must be 1"),
        ("schema = 1\n" + UDF, "ours: the policy: title must be a text"),
        ("schema = [", "ours is not valid TOML"),
        (HEAD, "ours wants nothing"),
        (HEAD + "modules = []\n", "unknown key “modules”. Did you mean module"),
        (HEAD + '[module]\nname = "udf"\n', r"write \[\[module\]\] before each module"),
        (HEAD + UDF.replace("wanted", "want"), r"module 1 \(udf\): unknown key “want”"),
        (HEAD + UDF.replace("blocked", "blacklisted"), "wanted must be one of blocked, denylisted"),
        (HEAD + UDF.replace('"blocked"', "true"), "wanted must be one of"),
        (HEAD + UDF.replace('"blocked"', '["blocked"]'), "wanted must be one of"),
        (HEAD + UDF.replace('reason = "R."', ""), "reason must be a text"),
        (HEAD + UDF.replace('"udf"', '"udf.ko"'), "'udf.ko' is not a module's name"),
        (HEAD + UDF.replace('"udf"', '"u*"'), "is not a module's name"),
        (HEAD + UDF.replace('"udf"', '""'), "name must be a text"),
        (HEAD + UDF.replace('"udf"', "7"), "name must be a text"),
        (HEAD + UDF + UDF, "ours names udf twice"),
        (HEAD + UDF.replace("udf", "a-b") + UDF.replace("udf", "a_b"), "names a_b twice"),
        (HEAD + '[[switch]]\nname = "x"\nwanted = true\nreason = "R."', "name must be one of"),
        (
            HEAD + '[[switch]]\nname = "modules_disabled"\nwanted = 1\nreason = "R."',
            r"switch 1 \(modules_disabled\): wanted must be true or false",
        ),
        (
            HEAD + '[[switch]]\nname = "kernel.modprobe"\nwanted = []\nreason = "R."',
            "wanted is empty",
        ),
    ],
)
def test_a_policy_with_an_error_is_rejected(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_policy(text, "ours")
