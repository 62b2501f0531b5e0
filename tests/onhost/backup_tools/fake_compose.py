"""A docker that knows the questions of the backup."""

import os
import sys

from tests.onhost.backup_tools.fake_tool import fail, fault, record


def _answer(step: str, usual: str) -> int:
    """Say the usual thing, or what a test planted: another text, or a failure half-way."""
    planted = fault(step)
    if isinstance(planted, int):
        sys.stdout.write(usual[:6])
        return fail(planted)
    sys.stdout.write(usual if planted is None else planted)
    return 0


def main(words: list[str]) -> int:
    """Answer."""
    record("docker", words)
    if words[:2] == ["volume", "inspect"]:
        return _answer("docker:volume", f"/var/lib/docker/volumes/{words[-1]}/_data\n")
    if "mysql-mailcow" in words:
        return _answer("docker:dump", os.environ["FAKE_DUMP"])
    if "redis-mailcow" in words:
        return _answer("docker:redis", "OK\n")
    return fail(125)
