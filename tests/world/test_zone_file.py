"""The published zone as a file."""

from pathlib import Path

import dns.zone
import pytest
from typer.testing import CliRunner

from rehearsal.__main__ import app
from rehearsal.world import zone_file
from rehearsal.world.zone_store import ZoneStore

WORLD = "stacks/qual/world"


@pytest.fixture
def store(tmp_path: Path) -> ZoneStore:
    return ZoneStore(zone_file.zones_in(tmp_path / WORLD))


def test_the_command_prints_what_was_published(store: ZoneStore, tmp_path: Path) -> None:
    zone = store.open_zone("example.com")
    store.add(zone.id, {"type": "A", "name": "mx", "content": "192.0.2.7"})
    done = CliRunner().invoke(app, ["world", "zone", "--runs", str(tmp_path)])
    assert done.exit_code == 0
    found = dns.zone.from_text(done.output, origin="example.com.")
    assert str(found.find_rdataset("mx", "A")[0]) == "192.0.2.7"


def test_without_a_deployment_there_is_nothing_to_print(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["world", "zone", "--runs", str(tmp_path)])
    assert done.exit_code == 1
    assert "nothing is published yet" in done.output


def test_what_the_proxy_hides_is_left_out(store: ZoneStore) -> None:
    zone = store.open_zone("example.com")
    store.add(zone.id, {"type": "A", "name": "web", "content": "192.0.2.7", "proxied": True})
    assert "192.0.2.7" not in zone_file.render(zone)
