"""`mailcow.conf`."""

import dataclasses
from typing import Any

import pytest

from components.mailcow_conf import (
    FIXED,
    FIXED_SECRETS,
    Installation,
    MailcowSecrets,
    fixed_settings,
    render_mailcow_conf,
)
from declaration.mistakes import DeclarationError
from declaration.model import Declaration
from declaration.reading import read

SECRETS = MailcowSecrets(
    database="plantedDatabase",
    database_root="plantedRoot",
    redis="plantedRedis",
    sogo_url_key="plantedSogoKey16",
    dovecot_master="plantedMaster",
    api_key="planted-api-key",
    api_key_read_only="planted-watching-key",
)

GENERATED = [
    "MAILCOW_HOSTNAME",
    "MAILCOW_PASS_SCHEME",
    "DBNAME",
    "DBUSER",
    "DBPASS",
    "DBROOT",
    "REDISPASS",
    "HTTP_PORT",
    "HTTP_BIND",
    "HTTPS_PORT",
    "HTTPS_BIND",
    "HTTP_REDIRECT",
    "SMTP_PORT",
    "SMTPS_PORT",
    "SUBMISSION_PORT",
    "IMAP_PORT",
    "IMAPS_PORT",
    "POP_PORT",
    "POPS_PORT",
    "SIEVE_PORT",
    "DOVEADM_PORT",
    "SQL_PORT",
    "REDIS_PORT",
    "TZ",
    "COMPOSE_PROJECT_NAME",
    "DOCKER_COMPOSE_VERSION",
    "ACL_ANYONE",
    "MAILDIR_GC_TIME",
    "ADDITIONAL_SAN",
    "AUTODISCOVER_SAN",
    "ADDITIONAL_SERVER_NAMES",
    "SKIP_LETS_ENCRYPT",
    "ACME_DNS_CHALLENGE",
    "ACME_DNS_PROVIDER",
    "ACME_ACCOUNT_EMAIL",
    "ENABLE_SSL_SNI",
    "SKIP_IP_CHECK",
    "SKIP_HTTP_VERIFICATION",
    "SKIP_UNBOUND_HEALTHCHECK",
    "SKIP_CLAMD",
    "SKIP_OLEFY",
    "SKIP_SOGO",
    "SKIP_FTS",
    "FTS_HEAP",
    "FTS_PROCS",
    "ALLOW_ADMIN_EMAIL_LOGIN",
    "USE_WATCHDOG",
    "WATCHDOG_NOTIFY_BAN",
    "WATCHDOG_NOTIFY_START",
    "WATCHDOG_EXTERNAL_CHECKS",
    "WATCHDOG_VERBOSE",
    "LOG_LINES",
    "IPV4_NETWORK",
    "IPV6_NETWORK",
    "MAILDIR_SUB",
    "SOGO_EXPIRE_SESSION",
    "SOGO_URL_ENCRYPTION_KEY",
    "DOVECOT_MASTER_USER",
    "DOVECOT_MASTER_PASS",
    "WEBAUTHN_ONLY_TRUSTED_VENDORS",
    "SPAMHAUS_DQS_KEY",
    "ENABLE_IPV6",
    "DISABLE_NETFILTER_ISOLATION_RULE",
]
"""Keys that generate_config.sh of release 2026-07a writes uncommented."""


def settings(declaration: Declaration) -> dict[str, str]:
    """Return the rendered settings."""
    lines = render_mailcow_conf(
        Installation(declaration.mailcow, declaration.names), SECRETS
    ).splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_key_of_mailcows_own_generator_is_there(qual: Declaration) -> None:
    assert set(GENERATED) <= set(settings(qual))


def test_no_key_is_there_twice(qual: Declaration) -> None:
    lines = render_mailcow_conf(Installation(qual.mailcow, qual.names), SECRETS).splitlines()
    keys = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert len(keys) == len(set(keys))


def test_traefik_reaches_nginx_and_loopback_is_not_it(qual: Declaration) -> None:
    found = settings(qual)
    assert (found["HTTPS_BIND"], found["HTTPS_PORT"]) == ("172.20.0.1", "9443")
    assert (found["HTTP_BIND"], found["HTTP_PORT"]) == ("172.20.0.1", "9080")
    assert found["TRUSTED_PROXIES"] == "172.20.0.0/16"


def test_mailcow_asks_for_no_certificate_of_its_own(qual: Declaration) -> None:
    found = settings(qual)
    assert found["SKIP_LETS_ENCRYPT"] == "y"
    assert found["AUTODISCOVER_SAN"] == "n"


def test_ports_that_are_not_declared_are_bound_to_loopback(qual: Declaration) -> None:
    found = settings(qual)
    assert found["SMTP_PORT"] == "25"
    assert found["SIEVE_PORT"] == "4190"
    assert found["IMAP_PORT"] == "127.0.0.1:143"
    assert found["POPS_PORT"] == "127.0.0.1:995"
    assert found["SQL_PORT"] == "127.0.0.1:13306"


def test_a_raw_port_that_mailcow_does_not_publish_is_refused(qual_values: dict[str, Any]) -> None:
    qual_values["mailcow"] = {**qual_values["mailcow"], "rawPorts": [25, 2525]}
    with pytest.raises(DeclarationError, match="2525"):
        read(qual_values, source="test")


def test_a_web_port_that_nginx_needs_itself_is_refused(qual_values: dict[str, Any]) -> None:
    qual_values["mailcow"] = {**qual_values["mailcow"], "httpsPort": 8081}
    with pytest.raises(DeclarationError, match="8081"):
        read(qual_values, source="test")


def test_the_api_is_for_operators_and_the_host_itself(qual: Declaration) -> None:
    assert qual.names.api_clients == ("203.0.113.7", "31.97.159.7", "172.20.0.1")
    assert settings(qual)["API_ALLOW_FROM"] == "203.0.113.7,31.97.159.7,172.20.0.1"


def test_ipv6_follows_the_one_switch(qual: Declaration, qual_values: dict[str, Any]) -> None:
    assert settings(qual)["ENABLE_IPV6"] == "false"
    qual_values["ipv6"] = {"address": "2a02:4780:7::1", "reverseIsSet": True}
    assert settings(read(qual_values, source="test"))["ENABLE_IPV6"] == "true"


def test_both_named_web_hosts_are_served(qual: Declaration) -> None:
    assert settings(qual)["ADDITIONAL_SERVER_NAMES"] == (
        "mail-admin.portugalodyssey.pt,webmail.portugalodyssey.pt"
    )


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(MailcowSecrets)])
def test_a_secret_that_would_break_the_file_is_refused_without_being_repeated(field: str) -> None:
    with pytest.raises(ValueError, match=field) as caught:
        dataclasses.replace(SECRETS, **{field: "planted$secret"})
    assert "planted" not in str(caught.value)


def test_the_key_of_sogo_has_exactly_sixteen_characters() -> None:
    with pytest.raises(ValueError, match="16"):
        dataclasses.replace(SECRETS, sogo_url_key="short")


def test_secrets_are_not_shown() -> None:
    assert "planted" not in repr(SECRETS)
    assert "planted" not in str(SECRETS)


def test_every_fixed_setting_is_known_with_its_reason(qual: Declaration) -> None:
    fixed = fixed_settings(Installation(qual.mailcow, qual.names))
    assert set(fixed) == set(FIXED) - set(FIXED_SECRETS)
    assert fixed["MAILCOW_HOSTNAME"] == "mx.portugalodyssey.pt"
    assert all(FIXED.values())


def test_a_key_of_spamhaus_is_written_where_one_is_declared(qual: Declaration) -> None:
    plain = render_mailcow_conf(Installation(qual.mailcow, qual.names), SECRETS)
    assert "SPAMHAUS_DQS_KEY=\n" in plain
    declared = dataclasses.replace(SECRETS, spamhaus_dqs_key="planted5key")
    assert "SPAMHAUS_DQS_KEY=planted5key\n" in render_mailcow_conf(
        Installation(qual.mailcow, qual.names), declared
    )
    with pytest.raises(ValueError, match="spamhaus_dqs_key must consist of"):
        dataclasses.replace(SECRETS, spamhaus_dqs_key="with blank")
