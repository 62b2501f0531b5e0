"""What befalls the object storage never passes for a backup, harms no snapshot, and heals."""

import io
import json
import os
import random
from collections.abc import Iterator
from unittest import mock

import pytest
from minio import Minio

from operations.backup import nightly
from operations.backup.nightly import BackupFailedError
from operations.drill import holding
from operations.drill.holding import DrillFailedError
from operations.site import Site
from tests.operations.drill.deployed import Deployed, deployed

LETTER = random.Random("a long letter").randbytes(150_000).hex()
"""So long that it is the largest object in the bucket."""
RESULT, LAST = "last_run_success", "last_success_timestamp_seconds"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Return a world on the stand-ins of storage and restic, of which a backup was made.

    The genuine restic would try a storage that does not answer for a quarter of an hour.
    """
    nothing = {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "PATH": os.defpath}
    with mock.patch.dict(os.environ, nothing), deployed(tmp_path_factory.mktemp("runs")) as found:
        tools = found.world.folder / "tools"
        shim = (tools / "docker").read_text().replace("host_tools.docker", "host_tools.restic")
        (tools / "restic").write_text(shim)
        # A night waits ten minutes for what does not answer; these tests do not.
        settings = found.root / "opt/po-mail/backup.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"patienceSeconds": 0}))
        # Rows are none of this file's business, and the rehearsed database is asked table by table.
        with (found.root / "opt/po-mail/bin/inventory.py").open("a") as program:
            program.write(
                "\n\ndef tables(ask, client, database):\n    return {'mailbox': ['a row']}\n"
            )
        found.deliver("info", f"Subject: long\r\n\r\n{LETTER}\r\n")
        back_up(found)
        yield found


def back_up(here: Deployed) -> None:
    here.on_site(lambda site: nightly.run_now(site, lambda _: None))
    assert here.metrics("backup")[f"po_mail_backup_{RESULT}"] == 1


def refusal(here: Deployed) -> str:
    """Return why a backup fails; its metrics say so, and tell the age of the last good one."""
    good = here.metrics("backup")
    with pytest.raises(BackupFailedError) as caught:
        back_up(here)
    now = here.metrics("backup")
    assert now[f"po_mail_backup_{RESULT}"] == now["po_mail_backup_running"] == 0
    assert now[f"po_mail_backup_{LAST}"] == good[f"po_mail_backup_{LAST}"]
    return str(caught.value)


def listed(here: Deployed) -> list[str]:
    """Return the snapshots as they are listed."""
    answer = here.on_site(lambda site: nightly.ask(site, "--list"))
    return [snapshot["id"] for snapshot in answer["snapshots"]]


class Bucket:
    """The bucket of the backup, as the storage's administrator sees it."""

    def __init__(self, here: Deployed) -> None:
        async def look(site: Site) -> tuple[Minio, str]:
            return site.storage, site.declaration.backup.bucket

        self._storage, self._name = here.on_site(look)

    def sizes(self) -> dict[str, int]:
        found = self._storage.list_objects(bucket_name=self._name, recursive=True)
        return {str(item.object_name): item.size or 0 for item in found}

    def read(self, name: str) -> bytes:
        answer = self._storage.get_object(bucket_name=self._name, object_name=name)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def write(self, name: str, content: bytes) -> None:
        self._storage.put_object(
            bucket_name=self._name, object_name=name, data=io.BytesIO(content), length=len(content)
        )

    def remove(self, name: str) -> None:
        self._storage.remove_object(bucket_name=self._name, object_name=name)

    def bring_back(self) -> None:
        """Take every mark of a deletion away, as docs/restore.md says."""
        found = self._storage.list_objects(
            bucket_name=self._name, recursive=True, include_version=True
        )
        for item in [item for item in found if item.is_delete_marker and item.is_latest == "true"]:
            self._storage.remove_object(
                bucket_name=self._name,
                object_name=str(item.object_name),
                version_id=item.version_id,
            )


@pytest.mark.parametrize(("written", "step"), [(0, "repository"), (1, "snapshot")])
def test_a_network_that_is_cut_fails_the_run_and_the_next_one_heals(
    here: Deployed, written: int, step: str
) -> None:
    before, objects = listed(here), Bucket(here).sizes()
    here.world.set_faults("storage", cut_after=written)
    try:
        assert f"the backup failed: {step}: exit status 1" in refusal(here)
    finally:
        here.world.clear_faults("storage")
    assert listed(here) == before
    assert len(Bucket(here).sizes()) == len(objects) + written
    if written:
        back_up(here)


@pytest.fixture
def damaged(here: Deployed) -> Iterator[str]:
    """Flip a byte in the archive that holds the long letter, and flip it back."""
    bucket = Bucket(here)
    sizes = {name: size for name, size in bucket.sizes().items() if name.startswith("data/")}
    name = max(sizes, key=sizes.__getitem__)
    whole = bucket.read(name)
    assert len(whole) > len(LETTER)
    bucket.write(name, whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    yield name
    bucket.write(name, whole)


def reads(here: Deployed, percent: float) -> None:
    """Tell the program on the host how much of the archives it reads again."""
    file = here.root / "opt/po-mail/backup.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"checkPercent": percent}))


def test_a_damaged_archive_is_found_by_a_drill(here: Deployed, damaged: str) -> None:
    # The check after every backup reads a share of the archives and may miss one; a drill reads all
    # that its snapshot needs.
    with pytest.raises(DrillFailedError, match=f"restore: exit status 1: .*{damaged[5:13]}"):
        here.on_site(lambda site: holding.hold(site, "", lambda _: None))
    assert here.metrics("drill")[f"po_mail_drill_{RESULT}"] == 0
    assert not (here.root / "opt/po-mail/drill").exists()


def test_a_damaged_archive_that_the_check_reads_fails_the_run(
    here: Deployed, request: pytest.FixtureRequest
) -> None:
    before = listed(here)
    declared = json.loads((here.root / "opt/po-mail/backup.json").read_text())["checkPercent"]
    damaged = request.getfixturevalue("damaged")
    reads(here, 100)
    try:
        assert f"check: exit status 1: Fatal: blob {damaged[5:13]} is damaged" in refusal(here)
    finally:
        reads(here, declared)
    assert listed(here) == before, "nothing was thinned out, and what failed is no backup"


def test_an_emptied_bucket_is_not_taken_for_a_new_one(here: Deployed) -> None:
    bucket, before = Bucket(here), listed(here)
    for name in bucket.sizes():
        bucket.remove(name)
    said = refusal(here)
    assert "repository: exit status 10" in said
    assert "it was there at the last run, so none is made" in said
    assert bucket.sizes() == {}
    bucket.bring_back()
    # Older ones that were thinned out come back as well; the next run thins them out again.
    assert set(before) <= set(listed(here))
    back_up(here)
