"""A saved plan is a promise: what was looked at is what happens, once, there and in time."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.content.digests import tree_digest
from support.estates import Document, Estate, definition, gallery, version

from reconciler.applying.context import Interrupt
from reconciler.cli.app import run as run_command
from reconciler.engine import AppliedPlan, Engine
from reconciler.errors import BadPlanFile, NotApproved, PlanRefused, StalePlan
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.saved.plan_file import read_plan
from reconciler.planning.source_digests import SourceDigests
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.local.provider import LocalProvider

PLAN = "p.plan"
LARGE = 17 << 20


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path / "estate")
    made.image("a.raw", b"first")
    made.write(documents())
    return made


def documents(source: Mapping[str, Any] | None = None, **more: Any) -> list[Document]:
    return [gallery(), definition(), version(source or {"file": "../images/a.raw"}, **more)]


def sha256(estate: Estate, name: str = "a.raw") -> str:
    return hashlib.sha256((estate.directory / "images" / name).read_bytes()).hexdigest()


def tree(estate: Estate, name: str = "a.raw") -> str:
    return tree_digest((estate.directory / "images" / name).read_bytes())


def save(estate: Estate, lasts: timedelta | None = timedelta(days=7), **options: Any) -> Plan:
    with estate.engine() as engine:
        plan = engine.plan(PlanOptions(**options))
        engine.save_plan(plan, estate.directory / PLAN, lasts=lasts)
        return plan


def apply_saved(estate: Estate, now: datetime | None = None, **more: Any) -> AppliedPlan:
    clock = (lambda: now) if now else (lambda: datetime.now(UTC))
    with Engine(estate.directory, clock=clock) as engine:
        return engine.apply_saved(estate.directory / PLAN, Interrupt(), parallelism=4, **more)


def overwrite(estate: Estate, name: str = "a.raw") -> None:
    """Writes other bytes into an image in place: its size and its inode stay."""
    with (estate.directory / "images" / name).open("r+b") as file:
        file.seek(100)
        file.write(b"EVIL")


def bound(plan: Plan) -> dict[str, str]:
    return {str(change.address): source.digest for change in plan.changes for source in change.sources}


def test_the_plan_says_which_content_it_publishes(estate: Estate) -> None:
    assert bound(save(estate)) == {"corp/ubuntu/1.0.0": tree(estate)}
    assert apply_saved(estate).result is not None
    assert tree_digest((estate.regions / "eastus/corp/ubuntu/1.0.0/replica-1.os.raw").read_bytes()) == tree(estate)


def test_other_bytes_of_the_same_size_are_refused(estate: Estate) -> None:
    save(estate)
    overwrite(estate)
    with pytest.raises(StalePlan, match="the content of its source changed since"):
        apply_saved(estate)
    assert not estate.regions.exists()


@pytest.mark.parametrize("saved", [True, False], ids=["saved plan", "plan that was approved"])
def test_bytes_that_change_after_the_approval_never_become_visible(estate: Estate, saved: bool) -> None:
    """The image is overwritten once the plan has been approved; while it is copied, its digest is another one."""
    save(estate)

    def approve(_: Plan) -> bool:
        overwrite(estate)
        return True

    with estate.engine() as engine:
        if saved:
            outcome = engine.apply_saved(estate.directory / PLAN, Interrupt(), approve=approve)
        else:
            outcome = engine.apply(PlanOptions(), approve, Interrupt())
    assert outcome.result is not None
    failures = dict(outcome.result.failed)
    assert all(isinstance(error, SourceError) for error in failures.values())
    assert "is not the one that was planned" in next(iter(failures.values())).message
    assert not [path for path in estate.tree() if "1.0.0" in path]


def test_the_same_bytes_in_a_new_file_are_the_same_image(estate: Estate) -> None:
    save(estate)
    image = estate.directory / "images" / "a.raw"
    content = image.read_bytes()
    image.unlink()
    image.write_bytes(content)
    assert apply_saved(estate).result is not None


def test_an_image_may_be_renamed(estate: Estate) -> None:
    """The manifest names another file with the same bytes: no change to what was published, nor to a saved plan."""
    save(estate)
    (estate.directory / "images" / "a.raw").rename(estate.directory / "images" / "b.raw")
    estate.write(documents({"file": "../images/b.raw"}))
    outcome = apply_saved(estate)
    assert outcome.result is not None
    assert outcome.result.complete
    (estate.directory / "images" / "b.raw").rename(estate.directory / "images" / "c.raw")
    estate.write(documents({"file": "../images/c.raw"}))
    assert estate.plan().changes == ()
    estate.write(documents({"file": "../images/c.raw", "sha256": sha256(estate, "c.raw")}))
    assert estate.plan().changes == ()


def test_a_pin_is_checked_by_the_plan(estate: Estate) -> None:
    pin = sha256(estate)
    estate.write(documents({"file": "../images/a.raw", "sha256": pin}))
    assert bound(estate.plan()) == {"corp/ubuntu/1.0.0": tree(estate)}
    overwrite(estate)
    problem = next(iter(estate.plan().errors))
    assert f"its sha256 is {sha256(estate)}, and the manifest says {pin}" in problem.summary
    with pytest.raises(PlanRefused), Engine(estate.directory) as engine:
        engine.apply(PlanOptions(), lambda _: True, Interrupt())


def test_a_pin_holds_even_where_nobody_looks_at_the_plan(estate: Estate) -> None:
    """Nothing is read for a plan that is approved unseen, and the copy is checked all the same."""
    pin = sha256(estate)
    overwrite(estate)
    estate.write(documents({"file": "../images/a.raw", "sha256": pin}))
    with estate.engine() as engine:
        outcome = engine.apply(PlanOptions(), lambda _: True, Interrupt(), bind_sources=False)
    assert outcome.result is not None
    assert any("is not the one that was planned" in error.message for _, error in outcome.result.failed)
    assert not [path for path in estate.tree() if "1.0.0" in path]


def test_another_pin_than_what_was_published_is_a_replacement(estate: Estate) -> None:
    estate.apply()
    estate.write(documents({"file": "../images/a.raw", "sha256": "ab" * 32}))
    plan = estate.plan()
    assert [str(change.address) for change in plan.blocked] == ["corp/ubuntu/1.0.0"]


def test_a_pinned_version_is_replaced_only_by_the_pinned_content(estate: Estate) -> None:
    estate.apply()
    estate.image("b.raw", b"second")
    source = {"file": "../images/b.raw", "sha256": sha256(estate, "b.raw")}
    estate.write(documents(source, lifecycle={"allowReplace": True}))
    assert bound(save(estate)) == {"corp/ubuntu/1.0.0": tree(estate, "b.raw")}
    overwrite(estate, "b.raw")
    with pytest.raises(StalePlan):
        apply_saved(estate)


def test_a_version_made_from_another_is_bound_to_its_content(estate: Estate) -> None:
    estate.apply()
    child = version({"version": "corp/ubuntu/1.0.0"}, "corp/debian")
    estate.write([*documents(), definition(name="debian"), child])
    assert bound(save(estate)) == {"corp/debian/1.0.0": tree(estate)}
    assert apply_saved(estate).result is not None


class Counting(LocalProvider):
    """Counts how often content is read for a digest."""

    reads = 0

    def source_digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None, *, plain: bool = False
    ) -> ContentDigest:
        type(self).reads += 1
        return super().source_digest(source, progress, plain=plain)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    monkeypatch.setattr("reconciler.providers.local.provider.LocalProvider", Counting)
    monkeypatch.setattr(Counting, "reads", 0)
    return Counting


def test_a_large_new_image_is_read_once_for_all_plans(estate: Estate, counting: type[Counting]) -> None:
    estate.image("a.raw", bytes(LARGE))
    for _ in range(3):
        save(estate)
    assert counting.reads == 1
    assert apply_saved(estate).result is not None
    assert estate.plan().changes == ()
    assert counting.reads == 1
    overwrite(estate)
    assert estate.plan().blocked
    assert estate.plan().blocked
    assert counting.reads == 2


def test_the_digests_that_are_kept_are_few_and_private(estate: Estate) -> None:
    estate.image("a.raw", bytes(LARGE))
    save(estate)
    kept = estate.directory / ".reconciler" / "cache" / "digests.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(kept.read_text())["digests"].values()) == [{"digest": tree(estate)}]


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 1, "digests": 3}', '{"schema": 99, "digests": {}}', "\0"])
def test_a_damaged_cache_is_read_over(estate: Estate, content: str) -> None:
    estate.image("a.raw", bytes(LARGE))
    kept = estate.directory / ".reconciler" / "cache" / "digests.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(content)
    assert bound(estate.plan()) == {"corp/ubuntu/1.0.0": tree(estate)}


def test_a_forged_digest_in_the_cache_publishes_nothing(estate: Estate) -> None:
    estate.image("a.raw", bytes(LARGE))
    save(estate)
    kept = estate.directory / ".reconciler" / "cache" / "digests.json"
    kept.write_text(kept.read_text().replace(tree(estate), "tree-sha256:" + "ab" * 32))
    save(estate)
    outcome = apply_saved(estate)
    assert outcome.result is not None
    assert outcome.result.failed
    assert not [path for path in estate.tree() if "1.0.0" in path]


def test_without_a_place_to_keep_them_digests_are_read_again(estate: Estate) -> None:
    estate.image("a.raw", bytes(LARGE))
    with estate.engine() as engine:
        (reader,) = engine.providers.values()
        digests = SourceDigests()
        assert digests.of("default", reader, {"file": "images/a.raw"}, LARGE).text == tree(estate)
        digests.save()


def test_another_destination_is_refused(estate: Estate) -> None:
    save(estate)
    project = estate.directory / "reconciler.yaml"
    project.write_text(project.read_text().replace("root: regions", "root: elsewhere"))
    with pytest.raises(StalePlan, match="provider 'default' leads elsewhere"):
        apply_saved(estate)
    assert not (estate.directory / "elsewhere").exists()


def test_a_provider_that_the_plan_does_not_use_may_change(estate: Estate) -> None:
    project = estate.directory / "reconciler.yaml"
    text = "project: test\nmanifests: [manifests]\nproviders:\n  default: {type: local, root: regions}\n"
    project.write_text(f"{text}  other: {{type: local, root: other}}\n")
    save(estate)
    project.write_text(f"{text}  other: {{type: local, root: different}}\n")
    assert apply_saved(estate).result is not None


def test_it_is_used_once(estate: Estate) -> None:
    save(estate)
    assert apply_saved(estate).result is not None
    before = estate.tree()
    again = apply_saved(estate)
    assert (again.result, again.declined) == (None, False)
    assert again.finished is not None
    assert estate.tree() == before
    estate.apply(destroy=True)
    with pytest.raises(StalePlan, match="it was applied at"):
        apply_saved(estate)
    assert not [path for path in estate.tree() if "1.0.0" in path]


def test_it_expires(estate: Estate) -> None:
    save(estate, timedelta(hours=1))
    later = datetime.now(UTC) + timedelta(hours=2)
    with pytest.raises(StalePlan, match="it expired at"):
        apply_saved(estate, later)
    save(estate, None)
    assert apply_saved(estate, later + timedelta(days=4000)).result is not None
    assert apply_saved(estate, later + timedelta(days=4001)).finished is not None


def test_comments_moved_lines_and_other_galleries_do_not_matter(estate: Estate) -> None:
    save(estate)
    file = estate.directory / "manifests" / "all.yaml"
    file.write_text(f"# a comment\n\n{file.read_text()}")
    (file.parent / "other.yaml").write_text("kind: Gallery\nname: other\nlocation: eastus\n")
    outcome = apply_saved(estate)
    assert outcome.result is not None
    assert [str(change.address) for change in estate.plan().changes] == ["other"]


def test_a_failed_run_is_continued(estate: Estate) -> None:
    """One region could not be written; once that is repaired, the same file does the rest."""
    save(estate)
    estate.regions.mkdir()
    (estate.regions / "westus").write_text("in the way")
    first = apply_saved(estate)
    assert first.result is not None
    assert not first.result.complete
    (estate.regions / "westus").unlink()
    second = apply_saved(estate)
    assert second.result is not None
    assert second.result.complete
    assert estate.plan().changes == ()


def test_a_move_is_made_once(estate: Estate) -> None:
    estate.apply()
    identifier = {"publisher": "Contoso", "offer": "corp", "sku": "ubuntu"}
    renamed = [
        gallery(),
        definition(name="noble", identifier=identifier),
        version({"file": "../images/a.raw"}, "corp/noble"),
    ]
    estate.write([*renamed, {"kind": "Moved", "from": "corp/ubuntu", "to": "corp/noble"}])
    save(estate)
    before = estate.tree()
    assert apply_saved(estate).result is not None
    assert apply_saved(estate).finished is not None
    assert estate.tree() == before
    assert estate.plan().changes == ()


def test_a_destroy_reads_no_image(estate: Estate, counting: type[Counting]) -> None:
    estate.plan(destroy=True)
    assert counting.reads == 0


# Approval.


def key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def signers(folder: Path, **keys: Path) -> Path:
    lines = [f"{name}@example.com {path.with_suffix('.pub').read_text()}" for name, path in keys.items()]
    (folder / "approvers").write_text("".join(lines))
    return folder / "approvers"


def approve(estate: Estate, with_key: Path) -> int:
    return run_command(["plan", "approve", str(estate.directory / PLAN), "--key", str(with_key)])


def test_a_plan_is_approved_by_a_person(estate: Estate, tmp_path: Path) -> None:
    ann, bob = key(tmp_path, "ann"), key(tmp_path, "bob")
    approvers = signers(tmp_path, ann=ann)
    save(estate)
    with pytest.raises(NotApproved, match="nobody has signed it"):
        apply_saved(estate, approvers=approvers)
    assert approve(estate, bob) == 0
    with pytest.raises(NotApproved, match="none of its approvals"):
        apply_saved(estate, approvers=approvers)
    assert not estate.regions.exists()
    assert approve(estate, ann) == 0
    assert apply_saved(estate, approvers=approvers).result is not None


def test_an_approval_is_of_one_plan(estate: Estate, tmp_path: Path) -> None:
    ann = key(tmp_path, "ann")
    save(estate)
    approve(estate, ann)
    path = estate.directory / PLAN
    approvals = json.loads(path.read_text())["approvals"]
    save(estate)
    path.write_text(json.dumps({**json.loads(path.read_text()), "approvals": approvals}))
    with pytest.raises(NotApproved, match="none of its approvals"):
        apply_saved(estate, approvers=signers(tmp_path, ann=ann))


def test_a_signature_for_another_purpose_approves_nothing(estate: Estate, tmp_path: Path) -> None:
    """A signature of the same text that was made for git, say."""
    ann = key(tmp_path, "ann")
    save(estate)
    path = estate.directory / PLAN
    message = tmp_path / "message"
    message.write_text(f"{read_plan(path).digest}\n")
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", str(ann), "-n", "git", str(message)], check=True)
    signature = (tmp_path / "message.sig").read_text()
    path.write_text(json.dumps({**json.loads(path.read_text()), "approvals": [signature, "nonsense", ""]}))
    with pytest.raises(NotApproved):
        apply_saved(estate, approvers=signers(tmp_path, ann=ann))


def test_an_approved_plan_that_was_altered_is_refused(estate: Estate, tmp_path: Path) -> None:
    ann = key(tmp_path, "ann")
    save(estate)
    approve(estate, ann)
    path = estate.directory / PLAN
    envelope = json.loads(path.read_text())
    path.write_text(json.dumps({**envelope, "body": envelope["body"].replace("eastus", "westeu")}))
    with pytest.raises(BadPlanFile, match="altered"):
        apply_saved(estate, approvers=signers(tmp_path, ann=ann))


def test_approving_needs_neither_project_nor_state(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(estate)
    monkeypatch.chdir(tmp_path)
    assert run_command(["show", str(estate.directory / PLAN)]) == 0
    shown = capsys.readouterr().out
    assert "+ create   corp/ubuntu/1.0.0" in shown
    assert "Its signature cannot be checked here" in shown
    assert approve(estate, key(tmp_path, "ann")) == 0


@pytest.mark.parametrize("output_format", ["text", "markdown", "json"])
def test_a_saved_plan_is_shown_as_plan_showed_it(
    estate: Estate, capsys: pytest.CaptureFixture[str], output_format: str
) -> None:
    project = ["--project", str(estate.directory)]
    path = str(estate.directory / PLAN)
    assert run_command(["plan", "--out", path, "--format", output_format, *project]) == 0
    planned = capsys.readouterr().out.partition("\nSaved.")[0]
    assert run_command(["show", path, "--format", output_format, *project]) == 0
    shown = capsys.readouterr()
    for line in planned.replace(" · 1 gallery", "").splitlines():
        assert line in shown.out or '"lineage":""' in line
    assert "Its signature is that of this state." in (shown.out if output_format == "text" else shown.err)


def test_an_altered_plan_is_not_shown_as_if_it_were_whole(estate: Estate) -> None:
    save(estate)
    path = estate.directory / PLAN
    path.write_text(path.read_text().replace("westus", "westeu"))
    assert run_command(["show", str(path), "--project", str(estate.directory)]) == 1


def test_options_that_make_no_sense_are_refused(estate: Estate) -> None:
    project = ["--project", str(estate.directory)]
    assert run_command(["apply", "--require-approval", "keys", "--auto-approve", *project]) == 1
    assert run_command(["plan", "--out", str(estate.directory / PLAN), "--expires", "soon", *project]) == 1
    assert run_command(["plan", "approve", "absent.json"]) == 1
