"""What changes with another installed kernel: each difference with its cause, file and remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.errors import NotComparableError
from kmodtui.kernel.host import LocalHost
from kmodtui.model.next.finding import Difference, NextFinding, NextReport
from kmodtui.services.next_kernel import compare_next, next_release
from tests.support.upgraded import DKMS, NEXT, RULES, RUNNING, upgraded

Output = pytest.CaptureFixture[str]
FOLDER = f"/lib/modules/{NEXT}"


def report(root: str) -> NextReport:
    return compare_next(LocalHost(root), RUNNING)


def of(found: NextReport, kind: Difference) -> list[NextFinding]:
    return [each for each in found.findings if each.kind is kind]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> NextReport:
    return report(upgraded(tmp_path_factory.mktemp("next")))


def test_the_newest_other_release_is_compared_or_the_one_that_vmlinuz_leads_to(
    tmp_path: Path,
) -> None:
    host = LocalHost(upgraded(tmp_path))
    (tmp_path / "lib/modules/6.1.0-8-amd64").mkdir()
    (tmp_path / "lib/modules/6.1.0-8-amd64/modules.dep").touch()
    assert next_release(host, RUNNING) == NEXT, "10 is after 9"
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-6.1.0-8-amd64")
    assert next_release(host, RUNNING) == "6.1.0-8-amd64"
    (tmp_path / "vmlinuz").unlink()
    (tmp_path / "vmlinuz").symlink_to(f"boot/vmlinuz-{RUNNING}")
    assert next_release(host, RUNNING) == NEXT


def test_a_module_that_is_gone_is_reported_and_one_that_stays_is_not(found: NextReport) -> None:
    (gone,) = of(found, Difference.REMOVED)
    assert gone.module == "gone"
    assert gone.file == f"{FOLDER}/modules.dep"
    assert not [each for each in found.findings if each.module in ("same", "disk")]


def test_a_module_with_another_name_is_found_by_its_devices(found: NextReport) -> None:
    (renamed,) = of(found, Difference.RENAMED)
    assert renamed.cause == f"{NEXT} has newcard instead of oldcard."
    assert renamed.file == f"{FOLDER}/modules.alias"


def test_a_module_that_is_built_in_now_is_found_with_its_options_and_rules(
    found: NextReport,
) -> None:
    (inside,) = of(found, Difference.BUILT_IN)
    assert inside.file == f"{FOLDER}/modules.builtin"
    remedies = {each.remedy for each in of(found, Difference.RULE) if each.module == "inside"}
    assert "On the kernel command line: inside.x=1" in remedies
    assert any("initcall_blacklist" in remedy for remedy in remedies)


def test_a_module_that_dkms_has_not_built_is_found_with_the_command(found: NextReport) -> None:
    (drv,) = of(found, Difference.DKMS)
    assert drv.module == "drv"
    assert drv.file == DKMS
    assert f"dkms install drv/1.2 -k {NEXT}" in drv.remedy


def test_parameters_that_are_removed_or_of_another_type_are_found(found: NextReport) -> None:
    changed, removed = sorted(of(found, Difference.PARAMETER), key=lambda each: each.cause)
    assert changed.cause.startswith(f"a of para has the type bool in {NEXT}, not int.")
    assert "would not load" in changed.cause
    assert removed.cause == (f"para of {NEXT} has no parameter b: the kernel ignores b=2.")
    assert {changed.file, removed.file} == {f"{RULES}:1"}


def test_a_blacklist_does_not_follow_a_new_name(found: NextReport) -> None:
    (rule,) = (each for each in of(found, Difference.RULE) if each.module == "oldcard")
    assert rule.file == f"{RULES}:3"
    assert rule.remedy == "Blacklist newcard, too."


def test_the_driver_of_the_root_disk_may_be_missing_or_kept_out(tmp_path: Path) -> None:
    missing = report(upgraded(tmp_path / "missing", aliases="# none\n"))
    (disk,) = of(missing, Difference.ROOT)
    assert disk.module == "disk"
    assert "matches virtio:d00000002v00001AF4 of the root disk" in disk.cause
    assert missing.findings[0] is disk, "the most serious one is the first"
    late = "alias virtio:d00000002v* same\n"
    kept_out = report(upgraded(tmp_path / "out", aliases=late, rules="blacklist same\n"))
    (disk,) = of(kept_out, Difference.ROOT)
    assert disk.module == "same"
    assert disk.file == f"{RULES}:1"


def test_an_initramfs_may_be_missing(tmp_path: Path) -> None:
    root = upgraded(tmp_path)
    (tmp_path / "boot").mkdir()
    (tmp_path / f"boot/initrd.img-{RUNNING}").touch()
    (root_disk,) = of(report(root), Difference.ROOT)
    assert root_disk.remedy == f"Build it: update-initramfs -c -k {NEXT}"


def test_the_package_that_has_a_module_is_named(tmp_path: Path) -> None:
    root = upgraded(tmp_path)
    dpkg = tmp_path / "var/lib/dpkg/info"
    dpkg.mkdir(parents=True)
    files = f"/lib/modules/{RUNNING}/kernel/gone.ko\n"
    (dpkg / f"linux-modules-extra-{RUNNING}.list").write_text(files)
    (gone,) = of(report(root), Difference.REMOVED)
    assert gone.remedy == f"Install the package linux-modules-extra-{NEXT}."


def test_nothing_to_say_is_said(tmp_path: Path, capsys: Output) -> None:
    root = upgraded(tmp_path)
    for old, new in ((NEXT, "other"), (RUNNING, NEXT)):
        shutil.rmtree(tmp_path / "lib/modules" / new, ignore_errors=True)
        shutil.copytree(tmp_path / "lib/modules" / old, tmp_path / "lib/modules" / new)
    assert run(["next", NEXT, "--root", root]) == 0
    assert "Nothing changes for them." in capsys.readouterr().out


def test_the_verb_prints_cause_file_and_remedy_and_ends_with_1(
    tmp_path: Path, capsys: Output
) -> None:
    root = upgraded(tmp_path)
    assert run(["next", "--root", root]) == 1
    printed = capsys.readouterr().out
    assert f"Running: {RUNNING}. Compared with: {NEXT}." in printed
    assert f"{DKMS}\n" in printed
    assert run(["next", "--root", root, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["release"] == NEXT
    assert {each["kind"] for each in told["findings"]} == {
        "removed", "not built", "renamed", "parameter", "rule", "built in"
    }  # fmt: skip


def test_what_cannot_be_compared_ends_with_2(tmp_path: Path, capsys: Output) -> None:
    root = upgraded(tmp_path)
    assert run(["next", "nope", "--root", root]) == 2
    assert f"Installed: {NEXT}, {RUNNING}." in capsys.readouterr().err
    assert run(["next", RUNNING, "--root", root]) == 2
    shutil.rmtree(tmp_path / "lib/modules" / NEXT)
    with pytest.raises(NotComparableError):
        report(root)
