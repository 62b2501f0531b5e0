"""The whole circle of the real declaration: deploy, again, drift, repair, change, refuse, destroy.

One world carries most tests, in the order of the file; each leaves it settled for the next.
"""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import docker
import pytest

from rehearsal.engine import Op
from rehearsal.flow import Flow
from tests.rehearsal.rehearsed import (
    Properties,
    Rehearsed,
    Values,
    changes,
    errors,
    nothing_stays,
)
from tests.standins import official

RELEASE = "/opt/po-mail/mailcow"
EXTRA_CF = f"{RELEASE}/data/conf/postfix/extra.cf"
ROUTES = "/opt/po-shared/traefik/dynamic/po-mail.yml"


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    """Deploy the stack `qual` once."""
    folder = tmp_path_factory.mktemp("circle")
    with nothing_stays(folder), closing(Rehearsed(folder)) as rehearsed:
        outcome = rehearsed.up()
        assert outcome.ok, errors(outcome)
        assert set(outcome.changes) == {Op.CREATE}
        yield rehearsed


def assert_settled(circle: Rehearsed) -> None:
    """See that neither a refresh nor another deployment has anything to do."""
    found, again = circle.refresh(), circle.up()
    assert (found.ok, changes(found)) == (True, {}), errors(found)
    assert (again.ok, changes(again)) == (True, {}), errors(again)


# Deployed


def test_everything_declared_stands(circle: Rehearsed) -> None:
    declaration = circle.stage.declaration(circle.world)
    people = circle.world.ask("GET", "/mailcow/people")
    running = Counter(circle.services())

    assert {mailbox["address"].partition("@")[0] for mailbox in people["mailboxes"]} == {
        mailbox.name for mailbox in declaration.mailboxes
    }
    assert running == Counter(set(declaration.mailcow.services))
    assert circle.world.resolve(declaration.domain, "MX") == [f"10 {declaration.names.mail_host}."]
    assert circle.world.resolve(declaration.names.mail_host, "A") == [declaration.host.address]


FORCE = {"inputs.forceDestroy", "outputs.forceDestroy"}
PRIORITY = {"inputs.priority", "outputs.priority"}


def test_the_state_is_what_the_official_plugins_leave(circle: Rehearsed) -> None:
    by_name = {(resource.type, resource.name): resource for resource in circle.last.resources}

    differing = {
        name: official.differing(entry, by_name[kind, name])
        for (kind, name), entry in official.recorded().items()
    }

    # Two faults of what was deployed then, both mended in the program since.
    services = {name: PRIORITY for name in differing if name.startswith("srv-")}
    assert len(services) == 10
    assert {name: paths for name, paths in differing.items() if paths} == {
        "backup-user": FORCE,
        **services,
    }


def test_mail_leaves_signed_and_arrives(circle: Rehearsed) -> None:
    flow = Flow(circle.stage.declaration(circle.world), circle.world)

    out, into = flow.out(), flow.into()

    assert out.ok, out
    assert out.verdicts == {"SPF": "pass (send.)", "DKIM": "pass (resend)", "DMARC": "pass"}
    assert into.ok, into


def test_a_second_deployment_changes_nothing(circle: Rehearsed) -> None:
    assert_settled(circle)


def test_a_world_that_was_stopped_and_started_again_is_as_it_was(circle: Rehearsed) -> None:
    circle.restart_world()

    assert_settled(circle)
    assert Flow(circle.stage.declaration(circle.world), circle.world).out().ok


# Behind its back


def cloudflare(circle: Rehearsed, method: str, name: str, body: Values | None = None) -> None:
    """Do something to the one record of a name through Cloudflare's API."""
    (record,) = [text for text in circle.world.ask("GET", "/cloudflare/records")
                 if text["name"] == name]  # fmt: skip
    (zone,) = {resource.outputs["zoneId"] for resource in circle.resources("dnsRecord")}
    base = circle.world.overlay["endpoints"]["cloudflareApi"]
    request = urllib.request.Request(
        f"{base}/zones/{zone}/dns_records/{record['id']}",
        data=json.dumps(body or {}).encode(),
        method=method,
        headers={
            "Authorization": f"Bearer {circle.world.secrets['cloudflareApiToken']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["success"]


def edit_a_record(circle: Rehearsed) -> None:
    domain = circle.stage.values()["domain"]
    cloudflare(circle, "PATCH", f"_dmarc.{domain}", {"content": '"v=DMARC1; p=reject"'})


def remove_a_record(circle: Rehearsed) -> None:
    cloudflare(circle, "DELETE", f"webmail.{circle.stage.values()['domain']}")


def delete_a_mailbox(circle: Rehearsed) -> None:
    circle.mailcow("delete/mailbox", [f"partners@{circle.stage.values()['domain']}"])


def send_an_alias_elsewhere(circle: Rehearsed) -> None:
    domain = circle.stage.values()["domain"]
    body = {"items": [f"hello@{domain}"], "attr": {"goto": f"cristina@{domain}", "active": "1"}}
    circle.mailcow("edit/alias", body)


def alter_extra_cf(circle: Rehearsed) -> None:
    with circle.on_host(EXTRA_CF).open("a") as file:
        file.write("relayhost =\n")


def remove_the_exporter(circle: Rehearsed) -> None:
    (container,) = {resource.id for resource in circle.resources("container:Container")}
    engine = docker.DockerClient(base_url=circle.world.overlay["endpoints"]["docker"])
    with closing(engine):
        engine.containers.get(container).remove(force=True)


@pytest.mark.parametrize(
    ("meddle", "seen", "repaired", "restarted"),
    [
        pytest.param(
            edit_a_record, {"refresh dmarc": {"content"}}, {"update dmarc": {"content"}}, [],
            id="record edited",
        ),
        pytest.param(
            remove_a_record, {"delete webmail-a": set()}, {"create webmail-a": set()}, [],
            id="record removed",
        ),
        pytest.param(
            delete_a_mailbox, {"delete mailbox-partners": set()},
            {"create mailbox-partners": set()}, [],
            id="mailbox deleted",
        ),
        pytest.param(
            send_an_alias_elsewhere, {"refresh alias-hello": {"goto[0]"}},
            {"update alias-hello": {"goto"}}, [],
            id="alias edited",
        ),
        pytest.param(
            alter_extra_cf, {"refresh smarthost-extra-cf": {"content", "sha256"}},
            {"update smarthost-extra-cf": {"content"}, "update mailcow": {"create", "update"}},
            ["postfix-mailcow"],
            id="file altered",
        ),
        pytest.param(
            remove_the_exporter, {"delete exporter": set()}, {"create exporter": set()}, [""],
            id="container removed",
        ),
    ],
)  # fmt: skip
def test_what_was_changed_behind_its_back_is_shown_and_repaired(
    circle: Rehearsed,
    meddle: Callable[[Rehearsed], None],
    seen: Properties,
    repaired: Properties,
    restarted: list[str],
) -> None:
    meddle(circle)
    started = len(circle.events("start"))

    found = circle.refresh()
    assert found.ok, errors(found)
    assert changes(found) == seen

    mended = circle.up()
    assert mended.ok, errors(mended)
    assert changes(mended) == repaired
    assert circle.events("start")[started:] == restarted
    assert_settled(circle)


def test_without_its_routes_mailcow_cannot_be_asked_and_the_next_deployment_says_them_again(
    circle: Rehearsed,
) -> None:
    circle.on_host(ROUTES).unlink()

    found = circle.refresh()
    # Mailcow's API is reached through Traefik: nothing is believed of people that cannot be seen.
    assert changes(found) == {"delete traefik-routes": set()}
    assert not found.ok
    assert "Mailcow answers 404" in errors(found)

    mended = circle.up()
    assert mended.ok, errors(mended)
    assert "create traefik-routes" in changes(mended)
    assert not any("mailbox" in change or "alias" in change for change in changes(mended))
    assert_settled(circle)


# Another declaration


def set_to(part: str, **values: Any) -> Callable[[Values], None]:
    def change(declared: Values) -> None:
        declared.setdefault(part, {}).update(values)

    return change


def quota(declared: Values) -> None:
    next(mailbox for mailbox in declared["mailboxes"] if mailbox["name"] == "info")["quotaMib"] = (
        9216
    )


def alias_target(declared: Values) -> None:
    next(alias for alias in declared["aliases"] if alias["name"] == "hello")["to"] = ["cristina"]


def one_alias_less(declared: Values) -> None:
    declared["aliases"] = [
        alias for alias in declared["aliases"] if alias["name"] != "reservations"
    ]


def test_a_new_api_key_foretells_no_change_of_people(circle: Rehearsed) -> None:
    def raised(values: Values) -> None:
        values["generations"] = {"apiKey": 2}

    plan = circle.preview(raised)

    assert plan.ok, errors(plan)
    assert "update secret-api-key" in changes(plan)
    people = [step for step in plan.steps if step.type.startswith("mailcow:")]
    assert [step.name for step in people if step.op.changes] == []


def tier(declared: Values) -> None:
    declared["mailcow"]["tiers"]["web"]["memoryMib"] = 320


COMMAND = {"create", "update"}
RECORDS = {
    "admin-a", "apex-mx", "apex-spf", "autoconfig-a", "autodiscover-a", "dkim", "dmarc", "mx-a",
    "path-caldavs", "path-carddavs", "send-mx", "send-spf", "srv-autodiscover", "srv-caldavs",
    "srv-carddavs", "srv-imap", "srv-imaps", "srv-pop3", "srv-pop3s", "srv-sieve",
    "srv-submission", "srv-submissions", "webmail-a",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(quota, {"update mailbox-info": {"quota"}}, id="quota"),
        pytest.param(alias_target, {"update alias-hello": {"goto"}}, id="alias target"),
        pytest.param(one_alias_less, {"delete alias-reservations": set()}, id="alias gone"),
        pytest.param(
            set_to(
                "dmarc",
                stage="quarantine",
                firstPublished="2026-01-05",
                reportsSince="2026-01-05",
                since="2026-03-02",
            ),
            {"update dmarc": {"content", "comment"}},
            id="DMARC stage",
        ),
        pytest.param(
            set_to("ipv6", address="2a02:4780::25", reverseIsSet=True),
            {
                "create mx-aaaa": set(), "update host-directories": COMMAND,
                "update firewall-rules": {"content"}, "update firewall": COMMAND,
                "update smarthost-extra-cf": {"content"},
                "update mailcow-conf": {"content"}, "update mailcow": COMMAND,
            },
            id="IPv6 on",
        ),
        pytest.param(
            set_to("zone", ttl=600), {f"update {name}": {"ttl"} for name in RECORDS}, id="TTL"
        ),
        pytest.param(
            tier, {"update mailcow-limits": {"content"}, "update mailcow": COMMAND}, id="tier"
        ),
        pytest.param(
            set_to("web", webmail="post"),
            {
                "update webmail-a": {"name"}, "update srv-carddavs": {"data.target"},
                "update srv-caldavs": {"data.target"}, "update traefik-routes": {"content"},
                "update certificate-delivery": COMMAND, "update mailcow-conf": {"content"},
                "update mailcow": COMMAND,
            },
            id="webmail host",
        ),
        pytest.param(
            set_to("zone", mtaSts={"mode": "testing"}),
            {
                "create mta-sts-a": set(), "create mta-sts": set(),
                "update traefik-routes": {"content"}, "update certificate-delivery": COMMAND,
                "create nginx-site-mta-sts-custom": set(), "create nginx-mta-sts-txt": set(),
                "update mailcow": COMMAND,
            },
            id="MTA-STS",
        ),
        pytest.param(
            set_to("certificate", checkMinutes=30),
            {"update certificate-timer": {"content"}, "update certificate-schedule": COMMAND},
            id="certificate timer",
        ),
        pytest.param(
            set_to("backup", schedule="*-*-* 04:30:00 UTC"),
            {"update backup-timer": {"content"}, "update backup-schedule": COMMAND},
            id="backup time",
        ),
    ],
)  # fmt: skip
def test_another_setting_changes_exactly_what_says_it(
    circle: Rehearsed, change: Callable[[Values], None], expected: Properties
) -> None:
    plan = circle.preview(change)

    assert plan.ok, errors(plan)
    assert changes(plan) == expected


def test_a_changed_limit_recreates_only_the_containers_of_its_tier(circle: Rehearsed) -> None:
    web = {name for name, tier in circle.stage.values()["mailcow"]["services"].items()
           if tier == "web"}  # fmt: skip
    started = len(circle.events("start"))
    with circle.declared(tier):
        changed = circle.up()
        assert changed.ok, errors(changed)
        assert set(circle.events("start")[started:]) == web
        assert_settled(circle)

    assert circle.up().ok
    assert_settled(circle)


def test_a_smarthost_region_outside_the_eu_is_refused(circle: Rehearsed) -> None:
    plan = circle.preview(set_to("smarthost", region="us-east-1"))

    assert not plan.ok
    assert "us-east-1 lies in US, outside the EU" in errors(plan)
    assert changes(plan) == {}


def new_network(declared: Values) -> None:
    declared["mailcow"]["ipv4Network"] = "172.23.1"
    declared["monitoring"]["dnsblResolver"] = "172.23.1.254"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            set_to("mailcow", project="po-post"),
            "COMPOSE_PROJECT_NAME is po-mail, not po-post: it prefixes the volumes",
            id="project",
        ),
        pytest.param(
            new_network,
            "IPV4_NETWORK is 172.22.1, not 172.23.1: the network must be taken down",
            id="network",
        ),
    ],
)
def test_an_unsafe_change_is_refused_with_its_reason_and_mailcow_left_alone(
    circle: Rehearsed, change: Callable[[Values], None], reason: str
) -> None:
    files = circle.files_below(RELEASE)
    before = circle.events("start"), circle.events("stop")

    # The preview says it already, so that the command line does not even begin.
    foreseen = circle.preview(change)
    assert not foreseen.ok
    assert "unsafe to change after the first start" in errors(foreseen)

    with circle.declared(change):
        refused = circle.up()

    assert not refused.ok
    assert reason in errors(refused)
    assert "Traceback" not in errors(refused)
    assert (circle.events("start"), circle.events("stop")) == before
    # What Postfix reads at its next start is written before; nothing is restarted.
    left = circle.files_below(RELEASE)
    assert {name for name in files | left if files.get(name) != left.get(name)} <= {
        EXTRA_CF.removeprefix(f"{RELEASE}/")
    }
    # The old values, declared again, undo what was prepared beside Mailcow.
    assert circle.up().ok
    assert circle.files_below(RELEASE) == files
    assert_settled(circle)


# Down


def test_protected_mailboxes_keep_everything_standing(circle: Rehearsed) -> None:
    refused = circle.destroy()

    assert not refused.ok
    assert "mailbox-postmaster is protected" in errors(refused)
    assert changes(refused) == {}
    assert_settled(circle)


def test_when_the_declaration_lets_them_go_nothing_is_left_but_what_is_kept_on_purpose(
    circle: Rehearsed,
) -> None:
    with circle.declared(lambda declared: declared.update(protectMailboxes=False)):
        assert circle.up().ok
    gone = circle.destroy()

    assert gone.ok, errors(gone)
    assert circle.world.ask("GET", "/cloudflare/records") == []
    assert circle.world.ask("GET", "/docker/containers") == []
    assert circle.world.ask("GET", "/mailcow/people") == {"mailboxes": [], "domains": []}
    left = {
        f"/{path.relative_to(circle.on_host('/'))}"
        for path in circle.on_host("/").rglob("*")
        if not path.is_dir() and f"{RELEASE}/" not in f"/{path.relative_to(circle.on_host('/'))}"
    }
    kept = {
        # Secrets are generated once: the volumes, also kept, can be opened by no others.
        "/opt/po-mail/secrets/",
        # What the programs remember: without it, unsafe settings could change upon old volumes.
        "/opt/po-mail/state/",
        # Docker's volumes: the mail itself.
        "/var/lib/docker/volumes/po-mail_",
        # Traefik's own.
        "/opt/po-shared/traefik/acme.json",
        # The node exporter's directory is not ours; a last figure of ours may stand there.
        "/var/lib/node_exporter/textfile_collector/",
    }
    assert {item for item in left if not item.startswith(tuple(kept))} == set()
    ours = {"mailcow.conf", "docker-compose.override.yml", "data/conf/postfix/extra.cf",
            "data/conf/postfix/smarthost_passwd", "data/conf/postfix/smarthost_tls"}  # fmt: skip
    assert not [mine for mine in ours if circle.on_host(f"{RELEASE}/{mine}").exists()]


def test_deployed_again_it_takes_its_old_secrets_over(circle: Rehearsed) -> None:
    key = circle.on_host("/opt/po-mail/secrets/api-key").read_text()

    again = circle.up()

    assert again.ok, errors(again)
    assert circle.on_host("/opt/po-mail/secrets/api-key").read_text() == key
    assert_settled(circle)
