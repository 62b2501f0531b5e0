"""A genuine Dovecot, set up as Mailcow's as far as mail programs and Postfix can tell.

Logins and mailboxes come from one file instead of Mailcow's database. Left out: quota, full text
search, encryption and compression of what is stored, and the scripts that teach Rspamd.
"""

import os
from collections.abc import Mapping
from pathlib import Path

HOME = "/var/vmail"
OWNER = 5000
"""User and group that own every mailbox."""

_CONF = """\
protocols = imap sieve lmtp
listen = {address}
base_dir = /run/dovecot
log_path = /opt/dovecot/dovecot.log
auth_mechanisms = plain login
disable_plaintext_auth = yes
recipient_delimiter = +
mail_home = {home}/%d/%n
mail_location = maildir:~/
first_valid_uid = {owner}
last_valid_uid = {owner}
first_valid_gid = {owner}
ssl = required
ssl_cert = </etc/ssl/mail/cert.pem
ssl_key = </etc/ssl/mail/key.pem
ssl_min_protocol = TLSv1.2
passdb {{
  driver = passwd-file
  args = /opt/dovecot/people
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={home}/%d/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    address = 127.0.0.1
    port = {sieve}
  }}
}}
service lmtp {{
  inet_listener lmtp-inet {{
    address = {address}
    port = 24
  }}
}}
service auth {{
  inet_listener auth-inet {{
    address = {address}
    port = 10001
  }}
}}
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = {home}/sieve/%u.sieve
  sieve_after = /opt/dovecot/after.sieve
}}
"""

_AFTER = """\
require ["fileinto"];
if header :contains "X-Spam-Flag" "YES" {
  fileinto "Junk";
}
"""


def lay_out(
    folder: Path, people: Mapping[str, str], *, address: str, ports: Mapping[int, int]
) -> None:
    """Write Dovecot's configuration below `folder`.

    Args:
        folder: Gets `conf`, seen at `/opt/dovecot`, and `vmail`, seen at `/var/vmail`.
        people: Passwords by address.
        address: Address of loopback at which Postfix finds it under the name `dovecot`.
        ports: Ports of loopback for 993 and 4190.
    """
    conf, vmail = folder / "conf", folder / "vmail"
    conf.mkdir(parents=True)
    (vmail / "sieve").mkdir(parents=True)
    for item in (vmail, vmail / "sieve"):
        # Numbers: the user exists in the container alone.
        os.chown(item, OWNER, OWNER)
    (conf / "dovecot.conf").write_text(
        _CONF.format(address=address, home=HOME, owner=OWNER, imaps=ports[993], sieve=ports[4190])
    )
    (conf / "after.sieve").write_text(_AFTER)
    (conf / "people").write_text(
        "".join(f"{name}:{{PLAIN}}{password}\n" for name, password in people.items())
    )
