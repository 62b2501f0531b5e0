"""The storage of the backup: off the host, in the EU, and open to the declared keys."""

import asyncio
from ipaddress import ip_address

from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from declaration.residency import region_fault
from operations.doctor.looking import Look, only_real
from operations.prove.findings import failed, passed, unseen, warned
from operations.prove.model import Finding
from operations.prove.net import TIMEOUT, UnseenError
from operations.prove.subject import Subject
from operations.site import Site

_SERVER, _REGION, _ACCESS = "mail:backup.server", "mail:backup.region", "mail:storageAccessKey"
_ELSEWHERE = "declare a server at another provider: what burns the host must not burn its backup"


async def _off_the_host(site: Site, subject: Subject) -> Finding:
    name = site.declaration.backup.server.rpartition(":")[0].strip("[]")
    expected = f"another machine than {subject.host}"
    ipv6 = site.declaration.ipv6
    own = {subject.host} | ({ipv6.address} if ipv6 else set())
    try:
        found = [str(ip_address(name))]
    except ValueError:
        answers = [await subject.net.resolve(name, kind) for kind in ("A", "AAAA")]
        found = [address for answer in answers for address in answer.values]
    if not found:
        nowhere = failed(f"{name} has no address", expected, key=_SERVER)
        return only_real(subject) or nowhere
    shared = sorted(own & set(found))
    knowingly = site.declaration.backup.on_the_host
    if shared and knowingly is not None:
        mend = f"move the backup elsewhere by {knowingly.until}"
        return warned(f"{name} is the host itself, knowingly", expected, key=_SERVER, mend=mend)
    if shared:
        return failed(f"{name} is the host itself ({shared[0]})", expected, key=_SERVER)
    return passed(f"{name} is at {', '.join(sorted(found))}", expected, key=_SERVER)


async def _region(site: Site, _subject: Subject) -> Finding:
    """See that the server takes requests signed for the declared region, and for no other."""
    region, place = site.declaration.backup.region, site.declaration.names.storage.server
    fault = region_fault(region)
    if fault:
        return failed(fault, "a region in the EU", key=_REGION)
    host, _, port = place.rpartition(":")
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
        # The client signs for the declared region; a server of another one refuses it. It would
        # not where buckets are listed: there MinIO takes any.
        await asyncio.to_thread(site.storage.get_bucket_versioning, site.declaration.backup.bucket)
    except S3Error as error:
        if error.code == "NoSuchBucket":
            words = f"it takes the keys, signed for {region}; the bucket comes with the first `up`"
            return passed(words, region, key=_REGION)
        if error.code == "AuthorizationHeaderMalformed":
            return failed("the server is of another region", region, key=_REGION)
        if error.code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"}:
            return failed(
                f"the server refuses the keys ({error.code})", region, key=_ACCESS,
                mend="set mail:storageAccessKey and mail:storageSecretKey anew",
            )  # fmt: skip
        raise UnseenError(f"{place} answers {error.code}") from None
    except (OSError, MinioException, HTTPError) as error:
        raise UnseenError(f"{place} does not answer: {type(error).__name__}") from None
    return passed(f"it takes the keys, signed for {region}", region, key=_REGION)


async def _country(site: Site, _subject: Subject) -> Finding:
    return unseen(
        f"not seen from here: {site.declaration.backup.region} is what the server calls itself",
        "in the EU", key=_REGION, mend="look in the contract where the server stands",
    )  # fmt: skip


LOOKS = (
    Look("storage-place", "Is the storage off the host?", _SERVER, _ELSEWHERE, _off_the_host),
    Look(
        "storage-region", "Is it of the declared region?", _REGION,
        "declare the region that the server names, within the EU", _region,
        ("storageAccessKey", "storageSecretKey"),
    ),
    Look("storage-country", "Does it stand in the EU?", _REGION, "", _country),
)  # fmt: skip
