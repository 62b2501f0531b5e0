"""Stand-in for the MinIO plugin: buckets and identities, on the official client.

pulumi-minio 0.17.1 wraps an old provider, whose manners are kept: what it does not look at on a
read is not looked at here either, and what it shows as a change for ever is one here too.
"""

import certifi
import urllib3
from minio import Minio
from minio.credentials.providers import StaticProvider
from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain
from rehearsal.standins.base import StandIn
from rehearsal.standins.minio_buckets import IlmPolicy, S3Bucket, S3BucketVersioning
from rehearsal.standins.minio_identities import (
    IamPolicy,
    IamServiceAccount,
    IamUser,
    IamUserPolicyAttachment,
)
from rehearsal.standins.minio_server import Administration, Storage


def _flag(value: object) -> bool:
    """Read a configured flag, which the SDK sends as JSON."""
    return value is True or str(value).lower() == "true"


def _pool(configuration: Plain) -> urllib3.PoolManager:
    checked = not _flag(configuration.get("minioInsecure"))
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=10, read=60),
        maxsize=StandInProvider.concurrency,
        cert_reqs="CERT_REQUIRED" if checked else "CERT_NONE",
        ca_certs=configuration.get("minioCacertFile") or certifi.where(),
        retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )


class StandInProvider(StandIn[Storage]):
    """Stand-in for pulumi-minio 0.17.1."""

    sdk = "pulumi_minio"
    kinds = (
        S3Bucket,
        S3BucketVersioning,
        IlmPolicy,
        IamUser,
        IamPolicy,
        IamUserPolicyAttachment,
        IamServiceAccount,
    )

    @override
    def open(self, configuration: Plain) -> Storage:
        """Open the server's two APIs on one pool of connections."""
        server = configuration.get("minioServer")
        user = configuration.get("minioUser") or configuration.get("minioAccessKey")
        password = configuration.get("minioPassword") or configuration.get("minioSecretKey")
        if not server or not user or not password:
            raise ProviderError("the minio provider needs minioServer, minioUser, minioPassword")
        region = configuration.get("minioRegion") or "us-east-1"
        secure = _flag(configuration.get("minioSsl"))
        credentials = StaticProvider(user, password, configuration.get("minioSessionToken"))
        pool = _pool(configuration)
        s3 = Minio(server, credentials=credentials, secure=secure, region=region, http_client=pool)
        admin = Administration(
            endpoint=server, credentials=credentials, secure=secure, region=region, http_client=pool
        )
        return Storage(s3, admin, pool, f"{'https' if secure else 'http'}://{server}")

    @override
    async def shut(self, account: Storage) -> None:
        """Close the connections."""
        account.close()
