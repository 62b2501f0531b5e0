#!/usr/bin/env python3
"""Bring the public certificate from Traefik to Postfix, Dovecot and nginx.

Traefik keeps its certificates in `acme.json`. The one of the given resolver that covers the mail
host is taken out and put to the test that a mail program would put it to: a TLS handshake within
this process, with the chain verified up to a public authority, the name, the dates, and a key
that fits. Mailcow's snake-oil certificate does not pass it, nor does one that has expired.

The pair that Mailcow reads is never a half one. Both files are symbolic links through one link,
`live`, to a directory that holds a complete pair; that one link is replaced in one step. A pair of
plain files found there is first moved behind the links as it is.

A pair that Mailcow fetched for itself before it was taken over is put aside: Dovecot would show it
to every mail program that names the host, in place of the delivered one.

The services are restarted only if they run and have not read this pair yet; a restart that failed
is tried again at the next run. What happened is written for the node exporter's textfile
collector, failure included, so that age and failure can be watched.

Exit status: 0 the services have, or will read when they start, a good certificate; 1 there is no
good certificate, and the old pair was left alone; 2 wrong usage; 3 the pair was delivered but the
services could not be restarted.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import hashlib
import json
import os
import shutil
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

SERVICES = ("postfix-mailcow", "dovecot-mailcow", "nginx-mailcow")
POLL_SECONDS = 2.0
FORMER = ".former"
"""Where pairs go that an earlier life of this Mailcow left."""
DOCKER_TIMEOUT = 300


class CertificateError(Exception):
    """There is no good certificate; the text says why."""


class Pair(NamedTuple):
    """A certificate with its chain, and its key; both PEM."""

    chain: bytes
    key: bytes
    not_after: int
    names: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Name of the pair: a hash of what is public in it."""
        return hashlib.sha256(self.chain).hexdigest()[:32]

    def __repr__(self) -> str:
        """Tell nothing of the key."""
        return f"Pair({self.digest})"


# The certificate in Traefik's storage


def covers(name: str, host: str) -> bool:
    """Tell whether a name in a certificate stands for a host (RFC 6125: one label for a star)."""
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host


def candidates(storage: Path, resolver: str, host: str) -> list[tuple[bytes, bytes]]:
    """Return chain and key of every certificate that the resolver keeps for the host.

    Raises:
        CertificateError: there is none, or the file is not what Traefik writes.
    """
    try:
        content = json.loads(storage.read_text(encoding="utf-8") or "{}")
        kept = (content.get(resolver) or {}).get("Certificates") or []
        found = [
            (base64.b64decode(certificate["certificate"]), base64.b64decode(certificate["key"]))
            for certificate in kept
            if any(
                covers(name, host)
                for name in (
                    certificate["domain"]["main"],
                    *(certificate["domain"].get("sans") or ()),
                )
            )
        ]
    except FileNotFoundError:
        raise CertificateError(f"{storage} is not there; has Traefik started?") from None
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        # The cause is left out: it could quote the file, which holds keys.
        raise CertificateError(f"{storage} is not a storage of Traefik's") from None
    if not found:
        raise CertificateError(f"Traefik's resolver {resolver} has no certificate for {host} yet")
    return found


def tested(chain: bytes, key: bytes, host: str, authorities: Path | None) -> Pair:
    """Return the pair if a mail program that connects to `host` would accept it.

    Raises:
        CertificateError: it would not.
    """
    with tempfile.TemporaryDirectory() as folder:
        chain_file, key_file = Path(folder, "cert.pem"), Path(folder, "key.pem")
        chain_file.write_bytes(chain)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            server.load_cert_chain(str(chain_file), str(key_file))
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not PEM"
            raise CertificateError(f"certificate and key of {host} do not fit: {reason}") from None
    client = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    try:
        certificate = handshake(server, client, host)
    except ssl.SSLCertVerificationError as error:
        raise CertificateError(
            f"the certificate of {host} is refused: {error.verify_message}"
        ) from None
    except ssl.SSLError as error:
        raise CertificateError(f"no TLS with the certificate of {host}: {error.reason}") from None
    names = tuple(name for kind, name in certificate["subjectAltName"] if kind == "DNS")
    return Pair(chain, key, int(ssl.cert_time_to_seconds(str(certificate["notAfter"]))), names)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, Any]:
    """Let a client connect to a server in memory; return the certificate that the client saw.

    Raises:
        ssl.SSLError: they did not come to terms.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                waiting.remove(end)
    return dict(ends[0].getpeercert() or {})


def best(options: argparse.Namespace) -> Pair:
    """Return the certificate for the mail host that is good for longest.

    Raises:
        CertificateError: none is good.
    """
    authorities = machine.on_disk(options.ca_bundle) if options.ca_bundle else None
    good: list[Pair] = []
    complaint = ""
    for chain, key in candidates(machine.on_disk(options.acme), options.resolver, options.host):
        try:
            good.append(tested(chain, key, options.host, authorities))
        except CertificateError as error:  # noqa: PERF203 - a handful of turns
            complaint = str(error)
    if not good:
        raise CertificateError(complaint)
    return max(good, key=lambda pair: pair.not_after)


def wait_for_best(options: argparse.Namespace) -> Pair:
    """Return the best certificate, waiting for Traefik to obtain one.

    Raises:
        CertificateError: there is still none after `options.wait` seconds.
    """
    deadline = time.monotonic() + options.wait
    while True:
        try:
            return best(options)
        except CertificateError as error:  # noqa: PERF203 - a handful of turns
            if time.monotonic() >= deadline:
                if not options.wait:
                    raise
                raise CertificateError(
                    f"{error}. Waited {options.wait:g} seconds; Traefik's log says what the "
                    f"resolver {options.resolver} is waiting for"
                ) from None
            time.sleep(min(POLL_SECONDS, max(deadline - time.monotonic(), 0.01)))


# The pair that Mailcow reads


def link(path: Path, target: str) -> None:
    """Let `path` be a symbolic link to `target`, in one step."""
    if path.is_symlink() and str(path.readlink()) == target:
        return
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(path)


def shelve(folder: Path, name: str, chain: bytes, key: bytes) -> None:
    """Keep a complete pair below `folder` under a name."""
    final = folder / ".pairs" / name
    if final.is_dir():
        return
    final.parent.mkdir(mode=0o755, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=final.parent, prefix=".new-"))
    draft.chmod(0o755)
    for file, content, mode in (("cert.pem", chain, 0o644), ("key.pem", key, 0o600)):
        handle = os.open(draft / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        (draft / file).chmod(mode)
    draft.replace(final)


def install(folder: Path, pair: Pair) -> bool:
    """Let Mailcow's two files be this pair; tell whether they were another one before."""
    folder.mkdir(parents=True, exist_ok=True)
    live, chain, key = folder / "live", folder / "cert.pem", folder / "key.pem"
    links = {chain: "live/cert.pem", key: "live/key.pem", live: f".pairs/{pair.digest}"}
    if all(path.is_symlink() and str(path.readlink()) == links[path] for path in links):
        return False
    shelve(folder, pair.digest, pair.chain, pair.key)
    if chain.is_file() and key.is_file() and not (chain.is_symlink() and key.is_symlink()):
        # Behind the links first as it is: at every moment both files belong together.
        shelve(folder, "found", chain.read_bytes(), key.read_bytes())
        link(live, ".pairs/found")
    if not live.is_symlink():
        link(live, links[live])
    for path, target in links.items():
        link(path, target)
    return True


def left_behind(folder: Path) -> dict[Path, list[str]]:
    """Return the folders from which Dovecot shows a pair to whoever names one of their hosts.

    Release 2026-07a reads every sub-folder that has these three files, whoever made it.
    """
    files = ("domains", "cert.pem", "key.pem")
    return {
        place: (place / "domains").read_text("utf-8", "replace").split()
        for place in sorted(folder.glob("[!.]*/"))
        if place.name != "live" and all((place / file).is_file() for file in files)
    }


def put_aside(folder: Path, pair: Pair) -> list[str]:
    """Put pairs of an earlier life aside for hosts that the delivered one covers; name them.

    Nobody renews them, and Dovecot would show them in its place until long after their end.
    """
    aside = []
    for place, hosts in left_behind(folder).items():
        if any(covers(name, host) for name in pair.names for host in hosts):
            target = folder / FORMER / place.name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            place.replace(target)
            aside.append(place.name)
    return aside


def tidy(folder: Path, pair: Pair) -> None:
    """Remove pairs that nothing reads any more."""
    for other in (folder / ".pairs").iterdir():
        if other.name != pair.digest:
            shutil.rmtree(other, ignore_errors=True)


# The services


def docker(*words: str) -> str:
    """Run docker and return its standard output.

    Raises:
        StepError: it failed.
    """
    what = f"docker {words[0]}"
    return machine.run(["docker", *words], what, seconds=DOCKER_TIMEOUT).stdout


def running(project: str) -> list[str]:
    """Return the services, of those that read the pair, that run."""
    label = "label=com.docker.compose"
    return [
        service
        for service in SERVICES
        if docker(
            "ps", "-q", "--filter", f"{label}.project={project}",
            "--filter", f"{label}.service={service}",
        ).strip()
    ]  # fmt: skip


def restart(options: argparse.Namespace) -> list[str]:
    """Let the services that run read the pair; return their names.

    Raises:
        StepError: docker failed.
    """
    services = running(options.project)
    if services:
        directory = machine.on_disk(options.directory)
        docker(*machine.compose(options.project, directory, "restart", *services)[1:])
    return services


# What is remembered and reported


def render(host: str, memory: dict[str, Any], *, good: bool) -> str:
    """Return the metrics: when the delivered certificate ends, and how the last runs went."""
    gauges = {
        "expiry_timestamp_seconds": ("End of the delivered certificate.", memory.get("not_after")),
        "last_success_timestamp_seconds": (
            "Last time the delivered certificate was found good.",
            memory.get("last_success"),
        ),
        "delivery_success": ("Whether the last delivery succeeded.", int(good)),
    }
    return machine.exposition([
        machine.Metric(f"po_mail_certificate_{name}", text, {f'{{host="{host}"}}': value})
        for name, (text, value) in gauges.items()
    ])  # fmt: skip


def deliver(options: argparse.Namespace, memory: dict[str, Any], memory_file: Path) -> str:
    """Deliver the certificate; return what was done, in one line.

    Raises:
        CertificateError: there is no good certificate.
        StepError: the services could not be restarted.
    """
    pair = wait_for_best(options)
    folder = machine.on_disk(options.directory) / "data/assets/ssl"
    changed = install(folder, pair)
    aside = put_aside(folder, pair)
    memory["not_after"] = pair.not_after
    if changed or aside:
        memory["served"] = None
    machine.remember(memory_file, memory)
    told: list[str] = []
    if memory.get("served") != pair.digest:
        told = restart(options)
    tidy(folder, pair)
    memory["served"] = pair.digest
    memory["last_success"] = int(time.time())
    machine.remember(memory_file, memory)
    state = f"delivered, restarted {', '.join(told) or 'nothing'}" if changed else "unchanged"
    lines = [f"certificate of {options.host}: {state}"]
    lines += [f"put aside, from an earlier life: {folder / FORMER / name}" for name in aside]
    lines += [
        f"Dovecot shows {place} to whoever names {', '.join(hosts)}; nothing here renews it"
        for place, hosts in left_behind(folder).items()
    ]
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--acme", required=True, help="Traefik's storage, acme.json")
    command.add_argument("--resolver", required=True, help="Traefik's certificate resolver")
    command.add_argument("--host", required=True, help="mail host that it must cover")
    command.add_argument("--project", required=True, help="name of the compose project")
    command.add_argument("--directory", required=True, help="directory of the release")
    command.add_argument("--state", required=True, help="directory for what is remembered")
    command.add_argument("--metrics", required=True, help="directory of the textfile collector")
    command.add_argument("--ca-bundle", help="authorities to trust (PEM), if not the system's")
    command.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait that long for Traefik to obtain the certificate",
    )
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    state = machine.on_disk(options.state)
    memory_file = state / "certificate.json"
    status, good = 0, False
    with machine.alone(state / "certificate.lock", wait=True):
        memory = machine.recall(memory_file) or {}
        try:
            sys.stdout.write(deliver(options, memory, memory_file))
            good = True
        except CertificateError as error:
            sys.stderr.write(f"certificate: {error}\n")
            status = 1
        except (machine.StepError, OSError) as error:
            sys.stderr.write(f"certificate: {error}; tried again at the next run\n")
            status = 3
        metrics = machine.on_disk(options.metrics) / "po_mail_certificate.prom"
        machine.publish(metrics, render(options.host, memory, good=good))
    return status


if __name__ == "__main__":
    sys.exit(main())
