"""The declaration as the reports on its mail domain see it (`dmarc.domain`)."""

from declaration.dmarc import MINIMUM_AGE
from declaration.model import Declaration
from declaration.records import RecordType
from dmarc.domain import MailDomain, Sender, Thresholds


def mail_domain(declaration: Declaration) -> MailDomain:
    """Return the declared mail domain with its stage and its senders."""
    dmarc, mail_host = declaration.dmarc, declaration.names.mail_host
    return MailDomain(
        name=declaration.domain,
        stage=dmarc.stage.value,
        since=dmarc.since,
        reported_since=dmarc.reports_since,
        goal=dmarc.goal.value,
        minimum_age={stage.value: age for stage, age in MINIMUM_AGE.items()},
        thresholds=Thresholds(**dmarc.evidence.model_dump()),
        senders=(
            _smarthost(declaration),
            Sender(mail_host, envelopes=(declaration.domain, mail_host)),
            *(
                Sender(
                    service.name,
                    selectors=(service.selector,) if service.selector else (),
                    envelopes=(service.domain,) if service.domain != declaration.domain else (),
                    author=service.domain if service.domain != declaration.domain else "",
                )
                for service in declaration.transactional_senders
            ),
        ),
        acknowledged=frozenset(source.name for source in dmarc.acknowledged_sources),
    )  # fmt: skip


def _smarthost(declaration: Declaration) -> Sender:
    smarthost = declaration.smarthost
    second = smarthost.second_selector
    account = declaration.names.account
    # SES signs all its mail a second time with its own name, which its feedback host shows.
    hosts = (
        str(record.value) for record in smarthost.row.records(account)
        if record.type is RecordType.MX
    )  # fmt: skip
    return Sender(
        smarthost.row.title,
        selectors=(
            smarthost.selector,
            *((second.selector,) if second else ()),
            *smarthost.dkim_names,
        ),
        envelopes=(account.envelope,) if account.envelope else (),
        companion=".".join(next(hosts, "").split(".")[-2:]),
    )
