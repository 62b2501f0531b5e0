"""The workflows: linted, pinned, and without more rights than they need."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from rehearsal.parts.finder import need
from tests.conftest import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
_PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def test_what_needs_the_real_host_runs_on_the_operators_machine_one_at_a_time() -> None:
    for name in ("drift", "drill"):
        document = yaml.safe_load(
            (PROJECT / f".github/workflows/{name}.yml")
            .read_text("utf-8")
            .replace("\non:", "\nwhen:")
        )
        job = document["jobs"][name]
        words = " ".join(step.get("run", "") for step in job["steps"])

        assert set(document["when"]) == {"schedule", "workflow_dispatch"}
        assert job["runs-on"] == ["self-hosted", "mail-operator"]
        assert document["concurrency"] == {"group": "operator", "cancel-in-progress": False}
        assert not re.search(r"(make|pulumi) up\b|pulumi refresh", words), "it writes nothing"


@pytest.mark.real
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [str(need("actionlint")), *map(str, WORKFLOWS)], capture_output=True, text=True, check=False
    )

    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_a_full_commit(path: Path) -> None:
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if "uses:" in line]

    assert lines
    assert [line for line in lines if not _PINNED.search(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_ends_in_time(path: Path) -> None:
    document = yaml.safe_load(path.read_text("utf-8"))

    assert document["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in document["jobs"].values())


def test_the_preview_runs_the_pack_and_deploys_nothing() -> None:
    document = yaml.safe_load((PROJECT / ".github/workflows/preview.yml").read_text("utf-8"))
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    words = [step.get("run", "") for step in document["jobs"]["preview"]["steps"]]

    assert 'make preview STACK="$STACK"' in words
    assert not any(re.search(r"make up\b|pulumi up\b", word) for word in words)
    assert "pulumi preview --stack $(STACK) --policy-pack policies" in makefile


def test_the_preview_does_not_run_for_a_fork() -> None:
    document = yaml.safe_load((PROJECT / ".github/workflows/preview.yml").read_text("utf-8"))

    assert "fork != true" in document["jobs"]["preview"]["if"]
    assert "pull_request_target" not in str(document)
