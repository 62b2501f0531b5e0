"""A small Mailcow API with the manners of the genuine one, and a list of ways to misbehave."""

import asyncio
import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Row = dict[str, Any]
API_KEY = "KEY-MARKER-0001-abcdef"
MIB = 1048576
ACCESS = ("imap_access", "smtp_access", "eas_access", "dav_access", "pop3_access", "sieve_access")


def intval(value: Any) -> int:
    match = re.match(r"\s*[-+]?\d+", str(int(value) if isinstance(value, bool) else value or 0))
    return int(match.group()) if match else 0


def empty(value: Any) -> bool:
    return value in (None, "", "0", 0, False, [], {})


class CrashError(Exception):
    """What ends in an empty body, with everything before it committed."""


@dataclass
class Fault:
    """One way to misbehave, for the next `times` writes whose path begins with `path`."""

    kind: str
    path: str = ""
    times: int = 1
    reads: bool = False


@dataclass
class Answer:
    """Entries of the answer under way."""

    request: Any
    entries: list[Row] = field(default_factory=list)

    def say(self, kind: str, *message: str) -> None:
        words: Any = message[0] if len(message) == 1 else list(message)
        self.entries.append({"type": kind, "log": ["f", "add", self.request], "msg": words})


class FakeMailcow:
    """Listens on loopback; everything it knows is in plain dictionaries."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.reads = 0
        self.writes: list[str] = []
        self.rejected = 0
        self.cookies_seen = 0
        self.serves_mta_sts = True
        self.delay = 0.0
        self.at_a_time = self.most_at_a_time = 0
        self.writing = self.most_writes_at_a_time = 0
        self.release = asyncio.Event()
        self.late: list[asyncio.Task[Any]] = []
        self.clock = 0
        self.numbers: dict[str, int] = {}
        self.wipe()
        self._runner: web.AppRunner | None = None
        self.port = 0

    def wipe(self) -> None:
        self.domains: dict[str, Row] = {}
        self.mailboxes: dict[str, Row] = {}
        self.aliases: dict[int, Row] = {}
        self.relayhosts: dict[int, Row] = {}
        self.transports: dict[int, Row] = {}
        self.tls: dict[int, Row] = {}
        self.dkim: dict[str, Row] = {}
        self.mta_sts: dict[str, Row] = {}
        self.app_passwords: dict[int, Row] = {}
        self.resources: dict[str, Row] = {}
        self.bcc: dict[int, Row] = {}
        self.recipient_maps: dict[int, Row] = {}
        self.rate_limits: dict[str, Row] = {}
        self.policies: dict[int, Row] = {}
        self.scores: dict[str, str] = {}
        self.admins: dict[str, Row] = {}
        self.forwarding: dict[str, Row] = {}
        self.sync_jobs: dict[int, Row] = {}

    def everything(self) -> dict[str, Any]:
        """Return all that is stored, for comparison."""
        names = ("domains", "mailboxes", "aliases", "relayhosts", "transports", "tls", "dkim",
                 "mta_sts", "app_passwords", "resources", "bcc", "recipient_maps", "rate_limits",
                 "policies", "scores", "admins", "forwarding", "sync_jobs")  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def restore(self, tables: dict[str, Any]) -> None:
        """Begin again with what was stored then."""
        for name, table in tables.items():
            setattr(self, name, table)
        self.rejected = 0

    async def recover(self) -> None:
        """Misbehave no more, and carry out what was still under way."""
        self.faults = []
        self.release.set()
        for task in self.late:
            await task
        self.late = []
        self.release = asyncio.Event()

    # --- HTTP --------------------------------------------------------------------------------

    async def start(self, ssl_context: Any = None) -> str:
        app = web.Application(client_max_size=8 * MIB)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return f"http{'s' if ssl_context else ''}://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        self.release.set()
        for task in self.late:
            await task
        if self._runner:
            await self._runner.cleanup()

    def _fault(self, path: str, *, read: bool) -> str | None:
        for fault in self.faults:
            if fault.times and fault.reads == read and path.startswith(fault.path):
                fault.times -= 1
                return fault.kind
        return None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        writing = int(request.method == "POST")
        self.writing += writing
        self.most_writes_at_a_time = max(self.most_writes_at_a_time, self.writing)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            return await self._think(request)
        finally:
            self.at_a_time -= 1
            self.writing -= writing

    async def _think(self, request: web.Request) -> web.StreamResponse:
        if request.cookies:
            self.cookies_seen += 1
        if request.path == "/.well-known/mta-sts.txt":
            return self._policy_page(request.host)
        path = request.path.removeprefix("/api/v1/")
        read = path.startswith("get/")
        fault = self._fault(path, read=read)
        if request.headers.get("X-API-Key") != API_KEY or fault == "401":
            self.rejected += 1
            return web.json_response(
                {"type": "error", "msg": "authentication failed"},
                status=401,
                headers={"Set-Cookie": "PHPSESSID=bad"},
            )
        body = None if read else json.loads(await request.read() or b"null")
        if read:
            self.reads += 1
        else:
            self.writes.append(path)
        if fault == "blind":
            answer = self._respond(self._work(path, body))
            self.faults = [Fault("html500", times=100, reads=True)]
            return answer
        if fault:
            return await self._misbehave(fault, request, path, body)
        return self._respond(self._work(path, body))

    def _work(self, path: str, body: Any) -> Any:
        action, _, rest = path.partition("/")
        if action == "get":
            return self._get(rest)
        return self._write(action, rest, body)

    def _respond(self, answer: Any) -> web.Response:
        if answer is None:
            return web.Response(body=b"", headers={"Set-Cookie": "PHPSESSID=x"})
        if isinstance(answer, tuple):
            return web.json_response(answer[0], status=answer[1])
        return web.json_response(answer, headers={"Set-Cookie": "PHPSESSID=x"})

    async def _misbehave(  # noqa: C901, PLR0911 - one return for each way
        self, kind: str, request: web.Request, path: str, body: Any
    ) -> web.StreamResponse:
        assert request.transport is not None
        if kind.endswith("_after"):
            self._work(path, body)
        if kind == "half":
            for username in body:
                self.mailboxes[username]["half"] = True
            return web.Response(body=b"")
        if kind.startswith("405"):
            return web.Response(status=405, text="<html>no</html>", content_type="text/html")
        if kind.startswith("danger"):
            return self._respond([{"type": "danger", "log": [body], "msg": ["access_denied", "x"]}])
        if kind.startswith("empty"):
            return web.Response(body=b"")
        if kind.startswith("html500"):
            return web.Response(status=500, text="<html>no</html>", content_type="text/html")
        if kind == "lost":
            return self._respond([{"type": "success", "log": [body], "msg": "done"}])
        if kind == "timeout_late":
            self.late.append(asyncio.create_task(self._later(path, body)))
        if kind.startswith("timeout"):
            await self.release.wait()
            return web.Response(body=b"")
        request.transport.abort()
        return web.Response(body=b"")

    async def _later(self, path: str, body: Any) -> None:
        await self.release.wait()
        self._work(path, body)

    def _policy_page(self, host: str) -> web.Response:
        domain = host.removeprefix("mta-sts.")
        row = self.mta_sts.get(domain)
        if not self.serves_mta_sts or row is None or not row["active"]:
            return web.Response(status=404)
        lines = ["version: STSv1", f"mode: {row['mode']}", f"max_age: {row['max_age']}"]
        lines += [f"mx: {mx}" for mx in row["mx"].split(",")]
        return web.Response(text="\n".join(lines) + "\n")

    # --- writing -----------------------------------------------------------------------------

    def _write(self, action: str, rest: str, body: Any) -> Any:
        answer = Answer(body)
        category, _, more = rest.partition("/")
        routes: dict[str, Callable[..., bool | None]] = {
            name: getattr(self, name)
            for name in dir(self)
            if name.startswith(("add_", "edit_", "delete_"))
        }
        name = f"{action}_{category.replace('-', '_')}"
        if more:
            name += "_tag"
        if name not in routes:
            return {"type": "error", "msg": "route not found"}, 404
        failed: bool | None = None
        try:
            if action == "add":
                failed = routes[name](answer, body)
            elif action == "delete":
                for item in body if not more else [body]:
                    args = (item, more.partition("/")[2]) if more else (item,)
                    failed = routes[name](answer, *args)
            elif not body.get("items"):
                return {"type": "success", "msg": "Task completed"}
            else:
                for item in body["items"]:
                    failed = routes[name](answer, item, body["attr"])
        except CrashError:
            return None
        if answer.entries:
            return answer.entries
        kind = "error" if failed is False else "success"
        return {"type": kind, "msg": "Cannot do it" if failed is False else "Task completed"}

    def _number(self, kind: str) -> int:
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return self.numbers[kind]

    def _now(self) -> str:
        return f"2026-01-01 00:00:{self.clock:02d}"

    def add_domain(self, answer: Answer, data: Row) -> bool | None:
        name = data["domain"].strip().lower()
        default, most, quota = (intval(data.get(key)) for key in ("defquota", "maxquota", "quota"))
        if default > most or most > quota or not default:
            answer.say("danger", "mailbox_quota_exceeds_domain_quota")
            return False
        if name in self.domains:
            answer.say("danger", "domain_exists", name)
            return False
        tags = data.get("tags") or []
        self.domains[name] = {
            "description": data.get("description") or name,
            "aliases": intval(data.get("aliases")), "mailboxes": intval(data.get("mailboxes")),
            "defquota": default, "maxquota": most, "quota": quota, "relayhost": "0",
            "backupmx": intval(data.get("backupmx")), "gal": intval(data.get("gal")),
            "active": intval(data.get("active")), "tags": [],
            "relay_all_recipients": intval(data.get("relay_all_recipients")),
            "relay_unknown_only": intval(data.get("relay_unknown_only")),
        }  # fmt: skip
        self._add_tags(self.domains[name]["tags"], tags, crash=True)
        if intval(data.get("key_size", 2048)):
            self._make_key(name, "dkim", 2048)
        answer.say("success", "domain_added", name)
        return True

    def _add_tags(self, present: list[str], tags: list[str], *, crash: bool) -> None:
        for tag in tags:
            if tag.lower() in (one.lower() for one in present):
                if crash:
                    raise CrashError
                continue
            present.append(tag)

    def edit_domain(self, answer: Answer, name: str, data: Row) -> None:
        row = self.domains.get(name)
        if row is None:
            return answer.say("danger", "domain_invalid")
        new = dict(row)
        for key in ("backupmx", "gal", "active", "relay_all_recipients", "relay_unknown_only"):
            if data.get(key) is not None:
                new[key] = intval(data[key])
        if data.get("relayhost") is not None:
            new["relayhost"] = str(intval(data["relayhost"]))
        self._edit_numbers(new, data)
        if new["relay_unknown_only"]:
            new["relay_all_recipients"] = 1
        if new["relay_all_recipients"]:
            new["backupmx"] = 1
        if new["defquota"] > new["maxquota"] or new["maxquota"] > new["quota"]:
            return answer.say("danger", "mailbox_quota_exceeds_domain_quota")
        self.domains[name].update(new)
        self._add_tags(row["tags"], data.get("tags") or [], crash=True)
        return answer.say("success", "domain_modified", name)

    def _edit_numbers(self, new: Row, data: Row) -> None:
        for key in ("aliases", "maxquota", "quota", "mailboxes", "defquota", "description"):
            if not empty(data.get(key)):
                new[key] = data[key] if key == "description" else intval(data[key])
        if data.get("mailboxes") == 0:
            new["mailboxes"] = 0

    def delete_domain_tag(self, answer: Answer, tags: list[str], name: str) -> None:
        present = self.domains[name]["tags"]
        gone = {tag.lower() for tag in tags}
        present[:] = [tag for tag in present if tag.lower() not in gone]
        answer.say("success", "domain_modified", name)

    def delete_domain(self, answer: Answer, name: str) -> None:
        if any(box.endswith(f"@{name}") for box in [*self.mailboxes, *self.resources]):
            return answer.say("danger", "domain_not_empty", name)
        self.domains.pop(name, None)
        self.mta_sts.pop(name, None)
        self.rate_limits.pop(name, None)
        for table, key in ((self.aliases, "domain"), (self.policies, "object")):
            for number in [one for one, row in table.items() if row[key] == name]:
                del table[number]
        return answer.say("success", "domain_removed", name)

    def _password_ok(self, answer: Answer, first: Any, second: Any) -> bool:
        if empty(first) or first != second or len(first) < 6:
            answer.say("danger", "password_complexity")
            return False
        return True

    def _hash(self, password: str) -> str:
        salt = self._number("salt")
        return f"{salt}:{hashlib.sha256(f'{salt}{password}'.encode()).hexdigest()}"

    def check_password(self, username: str, password: str) -> bool:
        salt, _, digest = str(self.mailboxes[username]["password"]).partition(":")
        return hashlib.sha256(f"{salt}{password}".encode()).hexdigest() == digest

    def add_mailbox(self, answer: Answer, data: Row) -> bool | None:
        local, domain = data["local_part"].strip().lower(), data["domain"].strip().lower()
        username = f"{local}@{domain}"
        if username in self.mailboxes or username in self.resources:
            answer.say("danger", "object_exists", username)
            return False
        if any(row["address"].lower() == username for row in self.aliases.values()):
            answer.say("danger", "is_alias", username)
            return False
        if domain not in self.domains:
            answer.say("danger", "domain_not_found", domain)
            return False
        if not self._password_ok(answer, data.get("password"), data.get("password2")):
            return False
        quota = intval(data.get("quota", 3072))
        if quota > self.domains[domain]["maxquota"]:
            answer.say("danger", "mailbox_quota_exceeded")
            return False
        attributes = {
            key: str(intval(data.get(key, default)))
            for key, default in (
                ("force_pw_update", 0), ("force_tfa", 0), ("tls_enforce_in", 0),
                ("tls_enforce_out", 0), ("sogo_access", 1), ("relayhost", 0),
                *((key, 1) for key in ACCESS),
            )
        }  # fmt: skip
        attributes |= {
            "quarantine_notification": data.get("quarantine_notification", "hourly"),
            "quarantine_category": data.get("quarantine_category", "reject"),
            "passwd_update": self._now(), "mailbox_format": "maildir:",
        }  # fmt: skip
        self.mailboxes[username] = {
            "local_part": local, "domain": domain, "quota": quota * MIB,
            "name": (data.get("name") or "").rstrip(">").lstrip("<"),
            "active": intval(data.get("active", 1)), "attributes": attributes, "tags": [],
            "password": self._hash(data["password"]),
            "authsource": data.get("authsource") or "mailcow",
        }  # fmt: skip
        self._add_tags(self.mailboxes[username]["tags"], data.get("tags") or [], crash=False)
        self.rate_limits.pop(username, None)
        answer.say("success", "mailbox_added", username)
        return True

    def edit_mailbox(self, answer: Answer, username: str, data: Row) -> None:
        row = self.mailboxes.get(username.lower())
        if row is None:
            return answer.say("danger", "access_denied")
        quota = row["quota"] // MIB
        if data.get("quota") is not None and str(data["quota"]) != "":
            quota = intval(data["quota"])
        if quota > self.domains[row["domain"]]["maxquota"]:
            return answer.say("danger", "mailbox_quota_left_exceeded", str(quota))
        if not empty(data.get("password")):
            if not self._password_ok(answer, data["password"], data.get("password2")):
                return None
            row["password"] = self._hash(data["password"])
            self.clock += 1
            row["attributes"]["passwd_update"] = self._now()
        row["quota"] = quota * MIB
        self._edit_person(row, data)
        for key in ("force_pw_update", "force_tfa", "sogo_access", "relayhost", *ACCESS):
            if data.get(key) is not None:
                row["attributes"][key] = intval(data[key])
        if data.get("pw_recovery_email") is not None:
            row["attributes"]["recovery_email"] = data["pw_recovery_email"]
        self._add_tags(row["tags"], data.get("tags") or [], crash=False)
        return answer.say("success", "mailbox_modified", username)

    def _edit_person(self, row: Row, data: Row) -> None:
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        if not empty(data.get("name")):
            row["name"] = data["name"].rstrip(">").lstrip("<")
        if data.get("authsource"):
            row["authsource"] = data["authsource"]

    def _edit_attributes(self, answer: Answer, username: str, data: Row, keys: Any) -> None:
        row = self.mailboxes.get(username.lower())
        if row is None:
            return answer.say("danger", "access_denied")
        for key in keys:
            if data.get(key) is not None:
                row["attributes"][key] = data[key]
        return answer.say("success", "mailbox_modified", username)

    def edit_tls_policy(self, answer: Answer, username: str, data: Row) -> None:
        self._edit_attributes(answer, username, data, ("tls_enforce_in", "tls_enforce_out"))

    def edit_quarantine_notification(self, answer: Answer, username: str, data: Row) -> None:
        self._edit_attributes(answer, username, data, ("quarantine_notification",))

    def edit_quarantine_category(self, answer: Answer, username: str, data: Row) -> None:
        self._edit_attributes(answer, username, data, ("quarantine_category",))

    def delete_mailbox_tag(self, answer: Answer, tags: list[str], username: str) -> None:
        present = self.mailboxes[username]["tags"]
        gone = {tag.lower() for tag in tags}
        present[:] = [tag for tag in present if tag.lower() not in gone]
        answer.say("success", "mailbox_modified", username)

    def delete_mailbox(self, answer: Answer, username: str) -> None:
        if username not in self.mailboxes:
            return answer.say("danger", "access_denied")
        del self.mailboxes[username]
        self.rate_limits.pop(username, None)
        self.scores.pop(username, None)
        for table, key in ((self.app_passwords, "mailbox"), (self.sync_jobs, "user2")):
            for number in [one for one, row in table.items() if row[key] == username]:
                del table[number]
        for number, row in list(self.aliases.items()):
            targets = row["goto"].split(",")
            if targets == [username]:
                del self.aliases[number]
            elif username in targets:
                row["goto"] = ",".join(one for one in targets if one != username)
        return answer.say("success", "mailbox_removed", username)

    def _targets(self, answer: Answer, data: Row, own: str) -> list[str]:
        for key in ("null", "spam", "ham"):
            if intval(data.get(f"goto_{key}")):
                return [f"{key}@localhost"]
        targets = []
        for goto in re.split(r"[ ,;\n]", data.get("goto") or ""):
            if not goto.strip():
                continue
            if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", goto.strip()) or "invalid" in goto:
                answer.say("danger", "goto_invalid", html.escape(goto))
                continue
            if goto.strip() != own:
                targets.append(goto.strip())
        return list(dict.fromkeys(targets))

    def add_alias(self, answer: Answer, data: Row) -> bool | None:
        address = data["address"].strip()
        targets = self._targets(answer, data, address)
        if not targets:
            if not answer.entries:
                answer.say("danger", "goto_empty")
            return False
        domain = address.partition("@")[2].lower()
        if address.lower() in self.mailboxes or any(
            row["address"].lower() == address.lower() for row in self.aliases.values()
        ):
            answer.say("danger", "is_alias_or_mailbox", address)
            return None
        if domain not in self.domains:
            answer.say("danger", "domain_not_found", domain)
            return None
        number = self._number("alias")
        self.aliases[number] = {
            "address": address, "goto": ",".join(targets), "domain": domain,
            "public_comment": data.get("public_comment"),
            "private_comment": data.get("private_comment"),
            **{key: intval(data.get(key))
               for key in ("active", "sogo_visible", "sender_allowed", "internal")},
        }  # fmt: skip
        answer.say("success", "alias_added", address, str(number))
        return None

    def _alias(self, key: Any) -> tuple[int, Row] | None:
        for number, row in self.aliases.items():
            if number == intval(key) or row["address"].lower() == str(key).lower():
                return number, row
        return None

    def edit_alias(self, answer: Answer, key: Any, data: Row) -> None:
        found = self._alias(key)
        if found is None:
            return answer.say("danger", "alias_invalid")
        row = found[1]
        if any(data.get(name) for name in ("goto", "goto_null", "goto_spam", "goto_ham")):
            targets = self._targets(answer, data, row["address"])
            if targets:
                row["goto"] = ",".join(targets)
        for name in ("active", "sogo_visible", "sender_allowed", "internal"):
            if data.get(name) is not None:
                row[name] = intval(data[name])
        for name in ("public_comment", "private_comment"):
            if data.get(name) is not None:
                row[name] = data[name]
        return answer.say("success", "alias_modified", row["address"])

    def delete_alias(self, answer: Answer, key: Any) -> None:
        found = self._alias(key)
        if found is None:
            return answer.say("danger", "access_denied")
        del self.aliases[found[0]]
        return answer.say("success", "alias_removed", found[1]["address"])

    def add_relayhost(self, answer: Answer, data: Row) -> bool | None:
        password = (data.get("password") or "").strip().replace(":", "\\:").replace(":", "\\:")
        self.relayhosts[self._number("relayhost")] = {
            "hostname": data["hostname"].strip(), "active": 1, "password": password,
            "username": (data.get("username") or "").strip().replace(":", "\\:"),
        }  # fmt: skip
        answer.say("success", "relayhost_added", "")
        return None

    def edit_relayhost(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.relayhosts.get(intval(key))
        if row is None:
            return answer.say("danger", "relayhost_invalid", str(key))
        if not empty(data.get("hostname")):
            row["hostname"] = data["hostname"].strip()
        for name in ("username", "password"):
            if data.get(name) is not None:
                row[name] = data[name].strip()
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        return answer.say("success", "object_modified", "")

    def delete_relayhost(self, answer: Answer, key: Any) -> None:
        self.relayhosts.pop(intval(key), None)
        for row in self.domains.values():
            if row["relayhost"] == str(key):
                row["relayhost"] = "0"
        answer.say("success", "relayhost_removed", str(key))

    def add_transport(self, answer: Answer, data: Row) -> bool | None:
        hop = data["nexthop"].strip()
        if re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:]*", hop):
            hop = f"[{hop}]"
        username = (data.get("username") or "").strip().replace(":", "\\:")
        password = (data.get("password") or "").strip().replace(":", "\\:")
        for row in self.transports.values():
            if row["nexthop"] == hop and row["username"] != username:
                answer.say("danger", "invalid_nexthop_authenticated")
                return False
            if row["destination"] == data["destination"]:
                answer.say("danger", "transport_dest_exists", data["destination"])
                return False
        self.transports[self._number("transport")] = {
            "destination": data["destination"], "nexthop": hop, "username": username,
            "is_mx_based": intval(data.get("is_mx_based")), "active": intval(data.get("active")),
            "password": password,
        }  # fmt: skip
        self._share(hop, username, password)
        answer.say("success", "relayhost_added", "")
        return None

    def _share(self, hop: str, username: str, password: str) -> None:
        for row in self.transports.values():
            if row["nexthop"] == hop:
                row |= {"username": username, "password": password}

    def edit_transport(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.transports.get(intval(key))
        if row is None:
            return answer.say("danger", "relayhost_invalid", str(key))
        if not empty(data.get("nexthop")):
            hop = data["nexthop"].strip()
            row["nexthop"] = f"[{hop}]" if re.fullmatch(r"[0-9.]+", hop) else hop
        for name in ("username", "password"):
            if data.get(name) is not None:
                row[name] = data[name].strip()
        for name in ("is_mx_based", "active"):
            if data.get(name) is not None:
                row[name] = intval(data[name])
        if not row["username"]:
            row["password"] = ""
        self._share(row["nexthop"], row["username"], row["password"])
        return answer.say("success", "object_modified", "")

    def delete_transport(self, answer: Answer, key: Any) -> None:
        self.transports.pop(intval(key), None)
        answer.say("success", "relayhost_removed", str(key))

    def add_tls_policy_map(self, answer: Answer, data: Row) -> bool | None:
        dest = data["dest"].strip().lower()
        if any(row["dest"] == dest for row in self.tls.values()):
            answer.say("danger", "tls_policy_map_entry_exists", dest)
            return False
        self.tls[self._number("tls")] = {
            "dest": dest, "policy": data["policy"].lower(),
            "parameters": data.get("parameters") or "", "active": intval(data.get("active")),
        }  # fmt: skip
        answer.say("success", "tls_policy_map_entry_saved", dest)
        return None

    def edit_tls_policy_map(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.tls.get(intval(key))
        if row is None:
            return answer.say("danger", "access_denied")
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        if not empty(data.get("policy")):
            row["policy"] = data["policy"]
        if data.get("parameters") is not None:
            row["parameters"] = data["parameters"]
        return answer.say("success", "tls_policy_map_entry_saved", row["dest"])

    def delete_tls_policy_map(self, answer: Answer, key: Any) -> None:
        self.tls.pop(intval(key), None)
        answer.say("success", "tls_policy_map_entry_deleted", str(key))

    def _make_key(self, domain: str, selector: str, size: int) -> None:
        # A real key takes a while; nothing here looks inside.
        raw = hashlib.sha512(f"{domain}{self._number('dkim')}".encode()).digest() * (size // 300)
        self.dkim[domain] = {
            "selector": selector, "length": str(size), "public": base64.b64encode(raw).decode()
        }  # fmt: skip

    def add_dkim(self, answer: Answer, data: Row) -> bool | None:
        domain = data["domains"].strip()
        if domain in self.dkim or domain not in self.domains:
            answer.say("danger", "dkim_domain_or_sel_invalid", domain)
            return None
        self._make_key(domain, data.get("dkim_selector", "dkim"), intval(data["key_size"]))
        answer.say("success", "dkim_added", domain)
        return None

    def add_dkim_import(self, answer: Answer, data: Row) -> bool | None:
        domain = data["domain"]
        try:
            key = serialization.load_pem_private_key(data["private_key_file"].encode(), None)
        except ValueError:
            answer.say("danger", "private_key_error", "error:1E08010C:DECODER routines")
            return False
        assert isinstance(key, rsa.RSAPrivateKey)
        if domain in self.dkim and not intval(data.get("overwrite_existing")):
            answer.say("danger", "dkim_domain_or_sel_exists", domain)
            return False
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        answer.say("success", "dkim_removed", domain)
        self.dkim[domain] = {
            "selector": data["dkim_selector"], "length": str(key.key_size),
            "public": base64.b64encode(public).decode(),
        }  # fmt: skip
        answer.say("success", "dkim_added", domain)
        return None

    def delete_dkim(self, answer: Answer, domain: str) -> None:
        self.dkim.pop(domain, None)
        answer.say("success", "dkim_removed", domain)

    def add_mta_sts(self, answer: Answer, data: Row) -> bool | None:
        if not isinstance(data.get("mx"), str):
            raise CrashError
        if data.get("version") != "stsv1":
            answer.say("danger", "version_invalid", data["domain"])
            return False
        if data["domain"] not in self.domains:
            answer.say("danger", "access_denied")
            return False
        if data["domain"] in self.mta_sts:
            answer.say("danger", "SQLSTATE[23000]: 1062 Duplicate entry for key 'PRIMARY'")
            return False
        self.mta_sts[data["domain"]] = {
            "mode": data["mode"], "mx": data["mx"], "max_age": str(intval(data["max_age"])),
            "active": intval(data.get("active")),
        }  # fmt: skip
        return None

    def edit_mta_sts(self, answer: Answer, domain: str, data: Row) -> None:
        row = self.mta_sts.get(domain)
        if row is None:
            return answer.say("danger", "access_denied")
        if data.get("version") != "stsv1":
            return answer.say("danger", "version_invalid", "")
        row |= {key: data[key] for key in ("mode", "mx") if data.get(key)}
        if data.get("max_age"):
            row["max_age"] = str(data["max_age"])
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        return answer.say("success", "object_modified", domain)

    def add_app_passwd(self, answer: Answer, data: Row) -> bool | None:
        username = data["username"].lower()
        if username not in self.mailboxes:
            answer.say("danger", "access_denied")
            return False
        if not self._password_ok(answer, data.get("app_passwd"), data.get("app_passwd2")):
            return False
        self.app_passwords[self._number("app")] = {
            "name": html.escape(data["app_name"].strip()), "mailbox": username,
            "password": self._hash(data["app_passwd"]), "active": intval(data.get("active")),
            **{key: int(key in data.get("protocols", [])) for key in ACCESS},
        }  # fmt: skip
        answer.say("success", "app_passwd_added")
        return None

    def edit_app_passwd(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.app_passwords.get(intval(key))
        if row is None:
            return answer.say("danger", "app_passwd_id_invalid", str(key))
        name = data.get("app_name") or html.escape(row["name"])
        if data.get("app_passwd"):
            if not self._password_ok(answer, data["app_passwd"], data.get("app_passwd2")):
                return None
            row["password"] = self._hash(data["app_passwd"])
        row |= {"name": html.escape(name.strip()), "mailbox": data.get("username", "API")}
        if "protocols" in data:
            row |= {one: int(one in data["protocols"]) for one in ACCESS}
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        return answer.say("success", "object_modified", str(key))

    def delete_app_passwd(self, answer: Answer, key: Any) -> None:
        if self.app_passwords.pop(intval(key), None) is None:
            return answer.say("danger", "app_passwd_id_invalid")
        return answer.say("success", "app_passwd_removed", str(key))

    def add_resource(self, answer: Answer, data: Row) -> bool | None:
        local = re.sub(r"[^0-9A-Za-z]", "", data["description"])
        name = f"{local}@{data['domain']}"
        if not local or data["domain"] not in self.domains:
            answer.say("danger", "resource_invalid")
            return False
        if name.lower() in (one.lower() for one in [*self.resources, *self.mailboxes]):
            answer.say("danger", "object_exists", name)
            return False
        self.resources[name] = {
            "description": data["description"], "kind": data["kind"], "domain": data["domain"],
            "multiple_bookings": max(intval(data.get("multiple_bookings")), -1),
            "active": intval(data.get("active")), "local_part": local,
        }  # fmt: skip
        answer.say("success", "resource_added", name)
        return None

    def edit_resource(self, answer: Answer, name: str, data: Row) -> None:
        row = self.resources.get(name)
        if row is None:
            return answer.say("danger", "resource_invalid", name)
        for key in ("active", "multiple_bookings"):
            if data.get(key) is not None:
                row[key] = intval(data[key])
        for key in ("description", "kind"):
            if not empty(data.get(key)):
                row[key] = data[key]
        return answer.say("success", "resource_modified", name)

    def delete_resource(self, answer: Answer, name: str) -> None:
        if self.resources.pop(name, None) is None:
            return answer.say("danger", "access_denied")
        return answer.say("success", "resource_removed", name)

    def add_bcc(self, answer: Answer, data: Row) -> bool | None:
        local = data["local_dest"].strip().lower()
        sane = local if "@" in local else f"@{local}"
        if local not in (*self.domains, *self.mailboxes):
            answer.say("danger", "access_denied")
            return False
        if any((row["local_dest"], row["type"]) == (sane, data["type"])
               for row in self.bcc.values()):  # fmt: skip
            answer.say("danger", "bcc_exists", sane, data["type"])
            return False
        self.bcc[self._number("bcc")] = {
            "local_dest": sane, "type": data["type"], "bcc_dest": data["bcc_dest"],
            "active": intval(data.get("active")), "domain": sane.partition("@")[2],
        }  # fmt: skip
        answer.say("success", "bcc_saved")
        return None

    def edit_bcc(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.bcc.get(intval(key))
        if row is None:
            return answer.say("danger", "access_denied")
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        if not empty(data.get("bcc_dest")):
            row["bcc_dest"] = data["bcc_dest"]
        return answer.say("success", "bcc_edited", row["bcc_dest"])

    def delete_bcc(self, answer: Answer, key: Any) -> None:
        if self.bcc.pop(intval(key), None) is None:
            return answer.say("danger", "access_denied")
        return answer.say("success", "bcc_deleted", str(key))

    def _mapped(self, value: str) -> str:
        plain = value.strip().lower().removeprefix("@")
        return plain if "@" in plain else f"@{plain}"

    def add_recipient_map(self, answer: Answer, data: Row) -> bool | None:
        old = self._mapped(data["recipient_map_old"])
        if any(row["recipient_map_old"] == old for row in self.recipient_maps.values()):
            answer.say("danger", "recipient_map_entry_exists", old)
            return False
        self.recipient_maps[self._number("map")] = {
            "recipient_map_old": old, "recipient_map_new": self._mapped(data["recipient_map_new"]),
            "active": intval(data.get("active")),
        }  # fmt: skip
        answer.say("success", "recipient_map_entry_saved", old)
        return None

    def edit_recipient_map(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.recipient_maps.get(intval(key))
        if row is None:
            return answer.say("danger", "access_denied")
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        if not empty(data.get("recipient_map_new")):
            row["recipient_map_new"] = self._mapped(data["recipient_map_new"])
        return answer.say("success", "recipient_map_entry_saved", row["recipient_map_old"])

    def delete_recipient_map(self, answer: Answer, key: Any) -> None:
        self.recipient_maps.pop(intval(key), None)
        answer.say("success", "recipient_map_entry_deleted", str(key))

    def _edit_rate_limit(self, answer: Answer, name: str, data: Row, known: Any) -> None:
        if data.get("rl_frame") not in {"s", "m", "h", "d"}:
            return answer.say("danger", "rl_timeframe")
        if name not in known:
            return answer.say("danger", "access_denied")
        if intval(data.get("rl_value")):
            self.rate_limits[name] = {
                "value": str(intval(data["rl_value"])), "frame": data["rl_frame"]
            }  # fmt: skip
        else:
            self.rate_limits.pop(name, None)
        return answer.say("success", "rl_saved", name)

    def edit_rl_domain(self, answer: Answer, name: str, data: Row) -> None:
        self._edit_rate_limit(answer, name, data, self.domains)

    def edit_rl_mbox(self, answer: Answer, name: str, data: Row) -> None:
        self._edit_rate_limit(answer, name, data, self.mailboxes)

    def _add_policy(self, answer: Answer, owner: str, known: Any, data: Row) -> bool | None:
        sender = data["object_from"].strip().lower()
        if owner not in known:
            answer.say("danger", "access_denied")
            return False
        if any((row["object"], row["value"]) == (owner, sender) for row in self.policies.values()):
            answer.say("danger", "policy_list_from_exists")
            return False
        number = self._number("policy")
        self.policies[number] = {
            "object": owner, "value": sender, "prefid": number, "list": data["object_list"]
        }  # fmt: skip
        answer.say("success", "domain_modified", owner)
        return None

    def add_domain_policy(self, answer: Answer, data: Row) -> bool | None:
        return self._add_policy(answer, data["domain"], self.domains, data)

    def add_mailbox_policy(self, answer: Answer, data: Row) -> bool | None:
        return self._add_policy(answer, data["username"], self.mailboxes, data)

    def delete_domain_policy(self, answer: Answer, key: Any) -> None:
        if self.policies.pop(intval(key), None) is None:
            return answer.say("danger", "access_denied")
        return answer.say("success", "item_deleted", str(key))

    delete_mailbox_policy = delete_domain_policy

    def edit_spam_score(self, answer: Answer, username: str, data: Row) -> None:
        if username not in self.mailboxes:
            return answer.say("danger", "access_denied")
        if data["spam_score"] == "default":
            self.scores.pop(username, None)
        else:
            self.scores[username] = data["spam_score"].replace(",", ", ")
        return answer.say("success", "mailbox_modified", username)

    def add_domain_admin(self, answer: Answer, data: Row) -> bool | None:
        name = data["username"].strip().lower()
        if name in self.admins or name in self.mailboxes:
            answer.say("danger", "object_exists", name)
            return False
        if not self._password_ok(answer, data.get("password"), data.get("password2")):
            return None
        domains = []
        for domain in data["domains"]:
            if domain in self.domains:
                domains.append(domain)
            else:
                answer.say("danger", "domain_invalid", domain)
        if domains:
            self.admins[name] = {
                "domains": domains, "active": intval(data.get("active")), "attributes": None,
                "password": self._hash(data["password"]),
            }  # fmt: skip
        answer.say("success", "domain_admin_added", name)
        return None

    def edit_domain_admin(self, answer: Answer, name: str, data: Row) -> None:
        row = self.admins.get(name)
        if row is None:
            return answer.say("danger", "access_denied")
        if any(domain not in self.domains for domain in data.get("domains") or []):
            return answer.say("danger", "domain_invalid", "")
        row["domains"] = data.get("domains") or row["domains"]
        if data.get("active") is not None:
            row["active"] = intval(data["active"])
        row["attributes"] = {
            key: str(min(intval(data.get(key)), 1)) for key in ("force_tfa", "force_pw_update")
        }
        if not empty(data.get("password")):
            if not self._password_ok(answer, data["password"], data.get("password2")):
                return None
            row["password"] = self._hash(data["password"])
        return answer.say("success", "domain_admin_modified", name)

    def delete_domain_admin(self, answer: Answer, name: str) -> None:
        if self.admins.pop(name, None) is None:
            return answer.say("danger", "username_invalid", name)
        return answer.say("success", "domain_admin_removed", name)

    def add_fwdhost(self, answer: Answer, data: Row) -> bool | None:
        source = data["hostname"].strip()
        hosts = [source] if re.fullmatch(r"[0-9a-fA-F.:/]+", source) else ["192.0.2.1", "192.0.2.2"]
        for host in hosts:
            self.forwarding[host] = {"source": source, "keep": not intval(data.get("filter_spam"))}
        answer.say("success", "forwarding_host_added", ", ".join(hosts))
        return None

    def edit_fwdhost(self, answer: Answer, host: str, data: Row) -> None:
        if host not in self.forwarding:
            return answer.say("danger", "access_denied")
        self.forwarding[host]["keep"] = intval(data["keep_spam"]) == 1
        return answer.say("success", "object_modified", host)

    def delete_fwdhost(self, answer: Answer, host: str) -> None:
        self.forwarding.pop(host, None)
        answer.say("success", "forwarding_host_removed", host)

    def add_syncjob(self, answer: Answer, data: Row) -> bool | None:
        username, host = data["username"], data["host1"].lower()
        if username not in self.mailboxes:
            answer.say("danger", "access_denied")
            return False
        if any((row["user2"], row["host1"], row["user1"]) == (username, host, data["user1"])
               for row in self.sync_jobs.values()):  # fmt: skip
            answer.say("danger", "object_exists", f"{host} / {data['user1']}")
            return False
        self.sync_jobs[self._number("sync")] = {
            "user2": username, "host1": host, "last_run": None,
            **{key: data[key] for key in data if key not in {"username", "host1"}},
            "maxbytespersecond": str(data.get("maxbytespersecond", 0)),
        }  # fmt: skip
        answer.say("success", "mailbox_modified", username)
        return None

    def edit_syncjob(self, answer: Answer, key: Any, data: Row) -> None:
        row = self.sync_jobs.get(intval(key))
        if row is None:
            return answer.say("danger", "access_denied")
        row |= {name: value for name, value in data.items() if value is not None}
        return answer.say("success", "mailbox_modified", row["user2"])

    def delete_syncjob(self, answer: Answer, key: Any) -> None:
        if self.sync_jobs.pop(intval(key), None) is None:
            return answer.say("danger", "access_denied")
        return answer.say("success", "deleted_syncjob", str(key))

    # --- reading -----------------------------------------------------------------------------

    def _get(self, rest: str) -> Any:
        category, _, more = rest.partition("/")
        name = f"show_{re.sub('_(wl|bl)_(domain|mailbox)', '', category).replace('-', '_')}"
        shower = getattr(self, name, None)
        if shower is None:
            return {"type": "error", "msg": "route not found"}, 404
        if category.startswith("policy_"):
            return shower(more, category.split("_")[1], category.split("_")[2]) or {}
        return shower(more) or {}

    def _domain(self, name: str) -> Row:
        row = self.domains[name]
        return {
            "domain_name": name, "domain_h_name": name, "description": row["description"],
            "max_num_aliases_for_domain": row["aliases"],
            "max_num_mboxes_for_domain": row["mailboxes"],
            "def_quota_for_mbox": row["defquota"] * MIB,
            "max_quota_for_mbox": str(row["maxquota"] * MIB),
            "max_quota_for_domain": row["quota"] * MIB, "rl": False,
            "mboxes_in_domain": len(self.mailboxes), "bytes_total": "0",
            **{key: row[key] for key in ("relayhost", "backupmx", "gal", "active",
                                         "relay_all_recipients", "relay_unknown_only")},
            **({"tags": list(row["tags"])} if row["tags"] else {}),
        }  # fmt: skip

    def show_domain(self, key: str) -> Any:
        if key == "all":
            return [self._domain(name) for name in self.domains]
        return self._domain(key) if key in self.domains else None

    def _mailbox(self, username: str) -> Row:
        row = self.mailboxes[username]
        if row.get("half"):
            return {"username": None, "domain": None, "active": None, "attributes": None}
        return {
            "username": username, "max_new_quota": 1, "percent_in_use": 0, "messages": "3",
            **{key: row[key] for key in ("active", "domain", "name", "local_part", "quota",
                                         "attributes", "authsource")},
            **({"tags": list(row["tags"])} if row["tags"] else {}),
        }  # fmt: skip

    def show_mailbox(self, key: str) -> Any:
        which, _, domain = key.partition("/")
        if which == "all":
            return [
                self._mailbox(name)
                for name, row in self.mailboxes.items()
                if not row.get("half") and (not domain or row["domain"] == domain)
            ]
        return self._mailbox(key.lower()) if key.lower() in self.mailboxes else None

    def show_alias(self, key: str) -> Any:
        which, _, domain = key.partition("/")
        rows = [{"id": number, **row} for number, row in self.aliases.items()]
        if which == "all":
            return [row for row in rows if not domain or row["domain"] == domain]
        found = self._alias(key)
        return {"id": found[0], **found[1]} if found else None

    def show_relayhost(self, key: str) -> Any:
        rows = [
            {
                "id": number, **row, "password_short": row["password"][:3] + "...",
                "used_by_domains": ", ".join(
                    name for name, one in self.domains.items() if one["relayhost"] == str(number)
                ),
                "used_by_mailboxes": ", ".join(
                    name for name, one in self.mailboxes.items()
                    if str(one["attributes"]["relayhost"]) == str(number)
                ),
            }
            for number, row in self.relayhosts.items()
        ]  # fmt: skip
        return rows if key == "all" else next((row for row in rows if str(row["id"]) == key), None)

    def _table(self, table: dict[int, Row], key: str) -> Any:
        rows = [{"id": number, **row} for number, row in table.items()]
        return rows if key == "all" else next((row for row in rows if str(row["id"]) == key), None)

    def show_transport(self, key: str) -> Any:
        return self._table(self.transports, key)

    def show_tls_policy_map(self, key: str) -> Any:
        return self._table(self.tls, key)

    def show_bcc(self, key: str) -> Any:
        return self._table(self.bcc, key)

    def show_recipient_map(self, key: str) -> Any:
        return self._table(self.recipient_maps, key)

    def show_dkim(self, key: str) -> Any:
        row = self.dkim.get(key)
        return row and {
            "pubkey": row["public"], "length": row["length"], "dkim_selector": row["selector"],
            "dkim_txt": f"v=DKIM1;k=rsa;t=s;s=email;p={row['public']}", "privkey": "",
        }  # fmt: skip

    def show_app_passwd(self, key: str) -> Any:
        mailbox = key.partition("/")[2]
        rows = [
            {"id": number, **row, "name": html.escape(row["name"])}
            for number, row in self.app_passwords.items()
        ]
        return [row for row in rows if row["mailbox"] == mailbox]

    def _resource(self, name: str) -> Row:
        return {"name": name, **self.resources[name]}

    def show_resource(self, key: str) -> Any:
        if key == "all":
            return [self._resource(name) for name in self.resources]
        return next((self._resource(n) for n in self.resources if n.lower() == key.lower()), None)

    def _limits(self, names: Any, word: str, key: str) -> Any:
        if key == "all":
            return [
                {**self.rate_limits[name], word: name} for name in names if name in self.rate_limits
            ]
        return self.rate_limits.get(key)

    def show_rl_domain(self, key: str) -> Any:
        return self._limits(self.domains, "domain", key)

    def show_rl_mbox(self, key: str) -> Any:
        return self._limits(self.mailboxes, "mailbox", key)

    def show_policy(self, owner: str, kind: str, scope: str) -> Any:
        domain = owner.partition("@")[2]

        def listed(row: Row) -> bool:
            if scope == "domain":
                return bool(row["object"] == owner or row["object"].endswith(f"@{owner}"))
            return bool(row["object"] in {owner, domain})

        return [row for row in self.policies.values() if row["list"] == kind and listed(row)]

    def show_spam_score(self, key: str) -> Any:
        if "@" in key and key not in self.mailboxes:
            return None
        return {"score": self.scores.get(key, "8, 15").replace(" ", "")}

    def _admin(self, name: str) -> Row:
        row = self.admins[name]
        return {
            "username": name, "active": row["active"], "selected_domains": row["domains"],
            "attributes": row["attributes"] or {"force_tfa": "0", "force_pw_update": "0"},
            "unselected_domains": "", "tfa_active": 0,
        }  # fmt: skip

    def show_domain_admin(self, key: str) -> Any:
        if key == "all":
            return [self._admin(name) for name in self.admins]
        return self._admin(key) if key in self.admins else None

    def show_fwdhost(self, key: str) -> Any:
        rows = [
            {"host": host, "source": row["source"], "keep_spam": "yes" if row["keep"] else "no"}
            for host, row in self.forwarding.items()
        ]
        return rows if key == "all" else next((row for row in rows if row["host"] == key), None)

    def show_syncjobs(self, key: str) -> Any:
        mailbox, _, extra = key.partition("/")
        rows = [{"id": number, **row, "log": ""} for number, row in self.sync_jobs.items()]
        if extra != "with_password":
            rows = [{k: v for k, v in row.items() if k != "password1"} for row in rows]
        return [row for row in rows if mailbox in {"all", row["user2"]}]
