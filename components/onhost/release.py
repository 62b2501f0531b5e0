#!/usr/bin/env python3
"""Bring the pinned Mailcow release into its directory, if it is the one that was declared.

Nothing starts here, and nothing in the directory changes before every check has passed:

1. The release must not be older than the one in place: databases do not go back. --back-from
   names the newer one once its database was replaced.
2. The tag is fetched into a reference of its own and must be the declared commit.
3. The services of that commit's `docker-compose.yml` must be exactly those with a tier.
4. No file of the release may overwrite a file that is not part of the one in place.
5. Where another release is in place, the images of the new one are pulled, and floating tags anew.

Then the tree is moved to the commit. Files that Git does not know are never touched. Changes to
files that it knows (Mailcow rewrites some at run time, and keeps people's global filters in
others) stay where the new release has the same file as the old one; where it has another, the
changed file is first copied to the state directory.

Mailcow's own `update.sh` has no business in a tree that follows a declaration: it would take every
container down, change Docker's configuration, restart the neighbours and then fail. The hook that
it calls first stops it.

Afterwards what Mailcow's own `generate_config.sh` would have left behind is there too, except
the snake-oil certificate: the public certificate is delivered before the first start, so there
is no moment in which a mail program could meet another one.

Exit status: 0 the release is in place, 1 it was refused, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

COMPOSE = "docker-compose.yml"
CANDIDATE = "refs/po-mail/candidate"
PLACED = "refs/po-mail/placed"
GIT_TIMEOUT = 900
LOCK_SECONDS = 60
"""A lock of Git's index this old belongs to nobody any more."""
TOLD = 4
"""How many lines of what git said an error tells."""


HOOK = "pre_update_hook.sh"
"""What Mailcow's `update.sh` runs before it does anything, whose exit status it ignores."""
STOP = """\
#!/usr/bin/env bash
# Written by Pulumi: this Mailcow follows a declaration. Mailcow's own update.sh would take every
# container down, write Docker's configuration, restart the neighbours, and then find no branch to
# merge. It calls this first and ignores its exit status; so it is stopped.
cat >&2 <<'END'
update.sh is stopped, nothing was changed. The declaration pins this release; upgrade it with

    make mail-update OPTIONS=--live

in the checkout of the project.
END
# Whoever runs the hook by hand keeps the shell.
if tr '\\0' ' ' < "/proc/$PPID/cmdline" | grep -q 'update\\.sh'; then
  kill -TERM "$PPID"
  sleep 1
  kill -KILL "$PPID" 2>/dev/null
fi
exit 1
"""
OURS = (HOOK, "data/conf/postfix/smarthost_passwd", "data/conf/nginx/mta-sts.txt")
"""Files of ours in the tree that the release does not ignore: whatever adds everything that Git
does not know, as `update.sh` does, must not take them, nor tell of them."""


class Tree:
    """The directory of the release, as a Git work tree."""

    def __init__(self, directory: Path) -> None:
        """Name the directory; it need not exist."""
        self.directory = directory

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git here.

        Raises:
            StepError: git failed, with its own words, if `check` is set.
        """
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        for inherited in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            environment.pop(inherited, None)
        return machine.run(
            ["git", "-C", str(self.directory), *words], f"git {words[0]}", seconds=GIT_TIMEOUT,
            environment=environment, accepted=(0,) if check else range(256), told=TOLD,
        )  # fmt: skip

    def ask(self, *arguments: str) -> str:
        """Return what git prints."""
        return self.run(*arguments).stdout.strip()

    def names(self, *arguments: str) -> set[str]:
        """Return the file names that git prints, separated by NUL."""
        return set(filter(None, self.run(*arguments).stdout.split("\0")))

    def head(self) -> str | None:
        """Return the commit in place, none in a fresh directory."""
        result = self.run("rev-parse", "-q", "--verify", "HEAD^{commit}", check=False)
        return result.stdout.strip() or None


def prepare(tree: Tree) -> None:
    """Make the directory a Git work tree, whatever lies in it already."""
    tree.directory.mkdir(parents=True, exist_ok=True)
    if not (tree.directory / ".git").exists():
        tree.run("init", "-q")
    # Git holds it for seconds; one that a killed run left would end every later release.
    lock = tree.directory / ".git/index.lock"
    with contextlib.suppress(FileNotFoundError):
        if lock.stat().st_mtime < time.time() - LOCK_SECONDS:
            lock.unlink()
            sys.stderr.write(f"release: {lock} was left by a run that was killed; removed\n")


def refuse_older(tree: Tree, tag: str, back_from: str) -> None:
    """See that no newer release is in place, unless its database was replaced.

    Raises:
        StepError: one is.
    """
    here = tree.run(
        "for-each-ref", "--points-at", "HEAD", "--format", "%(refname)", f"{PLACED}/", check=False
    )
    placed = max((name.removeprefix(f"{PLACED}/") for name in here.stdout.split()), default="")
    if tag < placed != back_from:
        raise machine.StepError(
            f"{placed} is in place, and the database of a newer release does not serve {tag}. "
            f"Declare {placed}, or return with the database: make mail-update OPTIONS=return"
        )


def fetch(tree: Tree, repository: str, tag: str, commit: str) -> None:
    """Fetch the tag. A release that was in place before is there without the repository.

    Raises:
        StepError: it cannot be fetched, or is another commit.
    """
    wanted = f"+refs/tags/{tag}:{CANDIDATE}"
    shallow = tree.run("fetch", "-q", "--no-tags", "--depth", "1", repository, wanted, check=False)
    if shallow.returncode:
        # Some git servers cannot cut the history off.
        whole = tree.run("fetch", "-q", "--no-tags", repository, wanted, check=False)
        if whole.returncode:
            known = tree.run(
                "rev-parse", "-q", "--verify", f"{PLACED}/{tag}^{{commit}}", check=False
            )
            if known.stdout.strip() == commit:
                # Its tag was that commit when it was placed: the way back needs no network.
                return
            reason = machine.last_lines(whole.stderr, TOLD)
            raise machine.StepError(f"git fetch failed: {reason}")
    found = tree.ask("rev-parse", f"{CANDIDATE}^{{commit}}")
    if found != commit:
        raise machine.StepError(
            f"tag {tag} at {repository} is commit {found}, but mail:mailcow.release.commit "
            f"declares {commit}. Either the tag was moved, or the declaration names the wrong "
            "commit. Look at what changed before you declare another one."
        )


def services_of(compose: str) -> set[str]:
    """Return the services of a compose file, read without a YAML library.

    Raises:
        StepError: the file has no block of services in plain block style.
    """
    found: set[str] = set()
    indentation: str | None = None
    inside = False
    for line in compose.splitlines():
        if re.match(r"\S", line) and not line.startswith("#"):
            inside = line.split("#")[0].rstrip() == "services:"
            continue
        match = re.match(r"""(\s+)["']?([\w.-]+)["']?:""", line) if inside else None
        if match is None:
            continue
        if indentation is None:
            indentation = match.group(1)
        if match.group(1) == indentation:
            found.add(match.group(2))
    if not found:
        raise machine.StepError("the release's docker-compose.yml has no services that can be read")
    return found


def images_of(compose: str) -> set[str]:
    """Return the images of a compose file; those with a variable in their name are left out."""
    found = re.findall(r"""^\s+image:\s*["']?([^\s"'#]+)""", compose, re.MULTILINE)
    return {image for image in found if "$" not in image}


def compare(release: set[str], declared: set[str], tag: str) -> None:
    """Compare the release's services with those that have a tier.

    Raises:
        StepError: they are not the same.
    """
    complaints = [
        f"{name} has no tier in mail:mailcow.services" for name in sorted(release - declared)
    ] + [
        f"{name} has a tier in mail:mailcow.services, but is no service of the release"
        for name in sorted(declared - release)
    ]
    if complaints:
        lines = "".join(f"\n  {complaint}" for complaint in complaints)
        raise machine.StepError(
            f"services and tiers of {tag} differ; no container was started{lines}"
        )


def check_overwriting(tree: Tree, commit: str) -> None:
    """Look for files that are not part of the release in place, but of the next one.

    Raises:
        StepError: such a file lies there with other content.
    """
    fresh = tree.names("ls-tree", "-r", "-z", "--name-only", commit) - tree.names("ls-files", "-z")
    in_the_way = []
    for name in sorted(fresh):
        path = tree.directory / name
        if path.is_symlink():
            same = str(path.readlink()) == tree.run("show", f"{commit}:{name}").stdout
        elif path.is_file():
            same = tree.ask("hash-object", "--", name) == tree.ask("rev-parse", f"{commit}:{name}")
        else:
            same = not path.exists()
        if not same:
            in_the_way.append(name)
    if in_the_way:
        raise machine.StepError(
            "files that Git does not know would be overwritten by the release; move them away: "
            + ", ".join(in_the_way)
        )


def switch(tree: Tree, before: str | None, commit: str, shelf: Path) -> list[str]:
    """Move the tree to the commit; return the names of changed files that were put aside."""
    if before is None:
        tree.run("checkout", "-q", "--force", "--detach", commit)
        return []
    changed = tree.names("diff", "-z", "--name-only", "HEAD")
    replaced = sorted(changed & tree.names("diff", "-z", "--name-only", before, commit))
    for name in replaced:
        source = tree.directory / name
        if source.exists():
            target = shelf / before[:12] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    if replaced:
        tree.run("checkout", "-q", before, "--", *replaced)
    tree.run("checkout", "-q", "--detach", commit)
    return replaced


def mend(tree: Tree, commit: str, shelf: Path) -> list[str]:
    """Bring back what was deleted, and the compose file; return what was put aside.

    The services were compared in the release's own compose file, so that is the one to run.
    Whoever wants it otherwise has the override file.
    """
    deleted = tree.names("ls-files", "-z", "--deleted")
    aside = tree.names("diff", "-z", "--name-only", "HEAD", "--", COMPOSE) - deleted
    for name in aside:
        target = shelf / commit[:12] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree.directory / name, target)
    if deleted or aside:
        tree.run("checkout", "-q", "HEAD", "--", *sorted(deleted | aside))
    return sorted(aside)


def write_once(path: Path, content: str) -> None:
    """Write a file unless it has that content."""
    if not path.exists() or path.read_text("utf-8", "replace") != content:
        machine.write(path, content)


def guard(tree: Tree, shelf: Path) -> list[str]:
    """Keep Mailcow's own updater, and Git, from what is ours; return what was put aside."""
    exclude = tree.directory / ".git/info/exclude"
    lines = exclude.read_text("utf-8").splitlines() if exclude.exists() else []
    missing = [f"/{name}" for name in OURS if f"/{name}" not in lines]
    if missing:
        write_once(exclude, "\n".join([*lines, *missing]) + "\n")
    hook = tree.directory / HOOK
    foreign = hook.exists() and hook.read_text("utf-8", "replace") != STOP
    if foreign:
        shelf.mkdir(parents=True, exist_ok=True)
        shutil.copy2(hook, shelf / HOOK)
    write_once(hook, STOP)
    return [HOOK] if foreign else []


def complete(tree: Tree, repository: str, tag: str, commit: str) -> None:
    """Add what Mailcow's own generator leaves behind and the stack needs."""
    directory = tree.directory
    password = directory / "data/conf/rspamd/override.d/worker-controller-password.inc"
    if not password.exists():
        write_once(password, "# Placeholder\n")
    certificates = directory / "data/assets/ssl"
    certificates.mkdir(parents=True, exist_ok=True)
    parameters = directory / "data/assets/ssl-example/dhparams.pem"
    # Dovecot does not start without it, and acme-mailcow, which would copy it, is asleep.
    if parameters.exists() and not (certificates / "dhparams.pem").exists():
        shutil.copy2(parameters, certificates / "dhparams.pem")
    when = tree.ask("show", "-s", "--format=%ct", commit)
    owner, _, name = repository.rstrip("/").rpartition("/")
    values = {
        "GIT_VERSION": tag,
        "LAST_GIT_VERSION": "",
        "GIT_OWNER": owner.rpartition("/")[2],
        "GIT_REPO": name.removesuffix(".git"),
        "GIT_URL": repository,
        "GIT_COMMIT": commit,
        "GIT_COMMIT_DATE": tree.ask("show", "-s", "--format=%ci", commit),
        "BRANCH": "master",
    }
    lines = "".join(f'  $MAILCOW_{key}="{value}";\n' for key, value in values.items())
    write_once(
        directory / "data/web/inc/app_info.inc.php",
        f"<?php\n{lines}  $MAILCOW_UPDATEDAT={when};\n?>\n",
    )


def place(options: argparse.Namespace) -> str:
    """Put the release in place; return what was done, in one line or more.

    Raises:
        StepError: a check failed; the directory is as it was.
    """
    tree = Tree(machine.on_disk(options.directory))
    prepare(tree)
    before = tree.head()
    if before != options.commit:
        refuse_older(tree, options.tag, options.back_from)
        fetch(tree, options.repository, options.tag, options.commit)
    services = services_of(tree.ask("show", f"{options.commit}:{COMPOSE}"))
    compare(services, set(options.service), options.tag)
    aside: list[str] = []
    kept: list[str] = []
    shelf = machine.on_disk(options.state) / "replaced"
    if before != options.commit:
        check_overwriting(tree, options.commit)
        if before is not None:
            # What runs would read the new files, perhaps for hours, if an image could not be had.
            kept = machine.renew(images_of(tree.ask("show", f"{options.commit}:{COMPOSE}")))
        aside = switch(tree, before, options.commit, shelf)
    aside += mend(tree, options.commit, shelf)
    # By a name, or git would clear the release away once it is no longer in place.
    tree.run("update-ref", f"{PLACED}/{options.tag}", options.commit)
    complete(tree, options.repository, options.tag, options.commit)
    aside += guard(tree, shelf)
    text = f"{options.tag} ({options.commit[:12]}) is in place, {len(services)} services\n"
    text += "".join(f"{line}\n" for line in kept)
    for name in aside:
        text += f"changed here, replaced by the release, kept in {options.state}/replaced: {name}\n"
    return text


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--directory", required=True, help="directory of the release")
    command.add_argument("--state", required=True, help="directory for files that are put aside")
    command.add_argument("--repository", required=True, help="git address")
    command.add_argument("--tag", required=True, help="release tag")
    command.add_argument("--commit", required=True, help="commit that the tag must be")
    command.add_argument("--back-from", default="", help="newer release, its database replaced")
    command.add_argument(
        "--service", action="append", default=[], help="a service that has a tier; repeated"
    )
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    # nginx, Dovecot and the others read the tree as users of their own.
    os.umask(0o022)
    try:
        sys.stdout.write(place(options))
    except (machine.StepError, OSError) as error:
        sys.stderr.write(f"release: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
