"""A host below a scratch root for the backup: volumes, secrets, and fakes of docker and restic."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / "components/onhost/backup.py"
PASSPHRASE = "planted-passphrase-91c2"
STORAGE_KEY = "planted-storage-key-77"
MAIL = "/var/lib/docker/volumes/po-mail_vmail-vol-1/_data"
DUMP = """\
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `mailcow`;
CREATE TABLE `mailbox` (
  `username` varchar(255) NOT NULL
) ENGINE=InnoDB;
INSERT INTO `mailbox` VALUES
('info@example.pt');
-- Dump completed on 2026-01-01  0:00:00
"""

_FAKE = """\
#!{python}
import json, os, sys
sys.path.insert(0, {tests!r})
from tests.onhost.backup_tools import {module} as fake
sys.exit(fake.main(sys.argv[1:]))
"""


@dataclass
class BackupHost:
    """The host; `faults` plants failures in the fakes."""

    root: Path
    genuine_restic: bool = False
    faults: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tools = self.root.parent / "tools"
        self.tools.mkdir()
        self.calls_file = self.root.parent / "calls"
        self.repository = self.root.parent / "repository"
        for name in ("docker",) if self.genuine_restic else ("docker", "restic"):
            tool = self.tools / name
            place = str(Path(__file__).parents[2])
            module = {"docker": "fake_compose", "restic": "fake_restic"}[name]
            tool.write_text(_FAKE.format(python=sys.executable, tests=place, module=module))
            tool.chmod(0o755)
        if self.genuine_restic:
            restic = shutil.which("restic")
            assert restic is not None
            (self.tools / "restic").symlink_to(restic)
        self._fill()

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def put(self, path: str, content: str, mode: int = 0o644) -> Path:
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)
        return file

    def _fill(self) -> None:
        for volume in ("vmail-vol-1", "crypt-vol-1"):
            self.put(f"/var/lib/docker/volumes/po-mail_{volume}/_data/file", "mail " * 200)
        for number in range(1, 4):
            self.put(
                f"{MAIL}/example.pt/info/Maildir/cur/{number}.M{number}.mx:2,S", f"mail {number}\n"
            )
        self.put("/opt/po-mail/mailcow/mailcow.conf", "DBPASS=x\n", 0o600)
        self.put("/opt/po-mail/mailcow/data/conf/postfix/extra.cf", "relayhost =\n")
        self.put("/opt/po-mail/secrets/backup-passphrase", PASSPHRASE, 0o600)
        self.put(
            "/opt/po-mail/secrets/backup.env",
            f"RESTIC_REPOSITORY={self.repository}\n"
            "RESTIC_PASSWORD_FILE=/opt/po-mail/secrets/backup-passphrase\n"
            f"AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY={STORAGE_KEY}\n",
            0o600,
        )
        self.put("/opt/po-mail/backup.json", json.dumps(self.settings()))

    def settings(self) -> dict[str, Any]:
        return {
            "project": "po-mail",
            "directory": "/opt/po-mail/mailcow",
            "host": "mx.example.pt",
            "release": "2026-07a",
            "volumes": {"vmail": "vmail-vol-1", "crypt": "crypt-vol-1"},
            "paths": {
                "conf": "/opt/po-mail/mailcow/data/conf",
                "mailcow-conf": "/opt/po-mail/mailcow/mailcow.conf",
                "secrets": "/opt/po-mail/secrets",
            },
            "optionalPaths": {
                "web-settings": "/opt/po-mail/mailcow/data/web/inc/vars.local.inc.php"
            },
            "environment": "/opt/po-mail/secrets/backup.env",
            "state": "/opt/po-mail/state",
            "metrics": "/var/lib/node_exporter/textfile_collector/po_mail_backup.prom",
            "keep": {"daily": 7, "weekly": 4, "monthly": 6},
            "checkPercent": 100,
        }

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "HOME": str(self.root.parent),
            "DESTDIR": str(self.root),
            "FAKE_CALLS": str(self.calls_file),
            "FAKE_REPOSITORY": str(self.repository),
            "FAKE_DUMP": DUMP,
            "FAKE_FAULTS": json.dumps(self.faults),
        }

    def command(self, *arguments: str) -> list[str]:
        settings = ["--settings", "/opt/po-mail/backup.json"]
        return [sys.executable, str(PROGRAM), *settings, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def times(self, snapshot: str, moment: str) -> None:
        """Let a snapshot have been made at another moment."""
        for file in self.repository.glob("snap-*"):
            kept = json.loads(file.read_text())
            if kept["id"] == snapshot:
                file.write_text(json.dumps(kept | {"time": moment}))

    def retag(self, tags: set[str], moment: str) -> None:
        """Let every snapshot have other tags, and have been made at another moment."""
        for file in self.repository.glob("snap-*"):
            kept = json.loads(file.read_text())
            file.write_text(json.dumps(kept | {"tags": sorted(tags), "time": moment}))

    def calls(self) -> list[list[str]]:
        if not self.calls_file.exists():
            return []
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    def called(self, *words: str) -> bool:
        return any(set(words) <= set(call) for call in self.calls())

    def metrics(self) -> dict[str, float]:
        text = self.at(str(self.settings()["metrics"])).read_text()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.split() for line in lines)}
