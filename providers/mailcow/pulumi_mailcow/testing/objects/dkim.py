"""DKIM keys, kept in Redis under the domain; they outlive it."""

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import alphanumeric, intval, is_domain, split, text, trimmed

_LENGTHS = ((391, "1024"), (564, "2048"), (736, "3072"), (1416, "4096"))
_SMALLEST = 512


def _public(key: Any) -> str:
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "".join(pem.decode().splitlines()[1:-1])


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _keep(call: Call, domain: str, selector: str, public: str, private: str) -> None:
    call.store.hash_set("DKIM_PUB_KEYS", domain, public)
    call.store.hash_set("DKIM_SELECTORS", domain, selector)
    call.store.hash_set("DKIM_PRIV_KEYS", f"{selector}.{domain}", private)


def _forget(call: Call, domain: str) -> None:
    selector = call.store.hash_get("DKIM_SELECTORS", domain)
    call.store.hash_drop("DKIM_PUB_KEYS", domain)
    call.store.hash_drop("DKIM_PRIV_KEYS", f"{selector}.{domain}")
    call.store.hash_drop("DKIM_SELECTORS", domain)


def generate(call: Call, domain: str, selector: str, size: int) -> None:
    """Make a key for one domain that has none."""
    taken = call.store.hash_get("DKIM_PUB_KEYS", domain) is not None
    if not is_domain(domain) or taken or not alphanumeric(selector, "-_."):
        call.danger("dkim_domain_or_sel_invalid", domain)
        return
    if not call.hosts(domain):
        call.danger("access_denied", domain)
        return
    if size < _SMALLEST:
        call.danger("dkim_domain_or_sel_invalid", domain)
        return
    # The library makes no key under 1024 bits; nobody asks the world for one either.
    key = rsa.generate_private_key(public_exponent=65537, key_size=max(size, 1024))
    _keep(call, domain, selector, _public(key), _private(key))
    call.success("dkim_added", domain)


@answers("add", "dkim", log=("dkim", "add"))
def add(call: Call) -> None:
    """Make keys for the domains of a list."""
    selector = call.data.get("dkim_selector")
    for domain in filter(None, split(call.data.get("domains"))):
        name = "dkim" if selector is None else text(selector)
        generate(call, domain, name, intval(call.data.get("key_size")))


@answers("add", "dkim_duplicate", log=("dkim", "duplicate"))
def duplicate(call: Call) -> Any:
    """Give other domains the key of one."""
    source = text(call.data.get("from_domain"))
    public = call.store.hash_get("DKIM_PUB_KEYS", source)
    selector = call.store.hash_get("DKIM_SELECTORS", source) or ""
    if public is None:
        return call.danger("dkim_domain_or_sel_invalid", source)
    private = call.store.hash_get("DKIM_PRIV_KEYS", f"{selector}.{source}") or ""
    targets = call.data.get("to_domain")
    for target in targets if isinstance(targets, list) else [targets]:
        if target:
            _keep(call, text(target), selector, public, private)
            call.success("dkim_duplicated", source, text(target))
    return None


@answers("add", "dkim_import", log=("dkim", "import"))
def bring_in(call: Call) -> Any:
    """Take over a private key. The answer's log repeats it."""
    pem = trimmed(call.data.get("private_key_file")).replace("\r\n", "\n").replace("\r", "\n")
    if call.store.key_errors:
        call.store.key_errors -= 1
        words = "error:12000079:random number generator::Cannot open file"
        return call.danger("private_key_error", words)
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        words = "error:1E08010C:DECODER routines::unsupported"
        return call.danger("private_key_error", words)
    selector = text(call.data.get("dkim_selector")) if call.given("dkim_selector") else "dkim"
    domain = text(call.data.get("domain"))
    if not is_domain(domain):
        return call.danger("dkim_domain_or_sel_invalid", domain)
    known = call.store.hash_get("DKIM_PUB_KEYS", domain) is not None
    if known and intval(call.data.get("overwrite_existing")) == 0:
        return call.danger("dkim_domain_or_sel_exists", domain)
    if not alphanumeric(selector, "-_."):
        return call.danger("dkim_domain_or_sel_invalid", domain)
    _forget(call, domain)
    call.success("dkim_removed", domain)  # importing removes first, and says so
    _keep(call, domain, selector, _public(key), pem)
    call.success("dkim_added", domain)
    return True


@answers("delete", "dkim", log=("dkim", "delete"))
def delete(call: Call) -> None:
    """Forget keys; one that is missing is a success too."""
    for domain in call.items:
        if not is_domain(domain):
            call.danger("dkim_domain_or_sel_invalid", domain)
            continue
        _forget(call, domain)
        call.success("dkim_removed", domain)


@answers("get", "dkim")
def get(call: Call) -> Any:
    """Return the public side of a domain's key; the private one is never shown."""
    public = call.store.hash_get("DKIM_PUB_KEYS", call.which)
    if public is None:
        return None
    length = next((name for limit, name in _LENGTHS if len(public) < limit), ">= 8192")
    return {
        "pubkey": public,
        "length": length,
        "dkim_txt": f"v=DKIM1;k=rsa;t=s;s=email;p={public}",
        "dkim_selector": call.store.hash_get("DKIM_SELECTORS", call.which),
        "privkey": "",
    }
