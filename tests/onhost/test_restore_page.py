"""The page of the restore, carried out as far as a test can."""

import re
import subprocess
from pathlib import Path

from tests.conftest import PROJECT

_DOCKER = """\
#!/bin/sh
# A MariaDB that is ready at the third question; what is imported before that is lost.
case "$*" in
*"SELECT 1"*)
  echo x >> {state}/asked
  [ "$(wc -l < {state}/asked)" -ge 3 ];;
*"--user=root'"*|*"mariadb --user=root")
  [ "$(wc -l < {state}/asked)" -ge 3 ] && cat > {state}/imported;;
esac
"""


def block(heading: str) -> str:
    """Return the commands below a heading of the page."""
    page = (PROJECT / "docs/restore.md").read_text()
    section = page[page.index(f"## {heading}") :].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


def test_the_dump_is_imported_once_the_first_start_of_the_database_is_over(tmp_path: Path) -> None:
    for name, text in {
        "docker": _DOCKER.format(state=tmp_path),
        "find": f"#!/bin/sh\necho {tmp_path}/database.sql\n",
        "sleep": "#!/bin/sh\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "database.sql").write_text("CREATE TABLE mailbox;\n")
    (tmp_path / "asked").touch()
    subprocess.run(
        ["sh", "-e", "-c", block("4.")], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True,
        timeout=30, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "imported").read_text() == "CREATE TABLE mailbox;\n"


def test_what_the_page_clones_can_be_read_by_those_who_serve_it() -> None:
    assert re.findall(r"^umask (\d+)", block("2."), re.MULTILINE) == ["022"]
    assert "umask" not in block("3.")
