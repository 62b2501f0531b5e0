"""Everything that can be rotated, by its name on the command line."""

from operations.rotate.kinds.cloudflare import CloudflareToken
from operations.rotate.kinds.dkim import DkimSelector
from operations.rotate.kinds.generated import ApiKey, ExporterToken, ReadOnlyApiKey
from operations.rotate.kinds.mailbox import MailboxPassword
from operations.rotate.kinds.passphrase import BackupPassphrase
from operations.rotate.kinds.smarthost import SmarthostCredential
from operations.rotate.kinds.storage import StorageKey
from operations.rotate.model import Rotation

ROTATIONS: dict[str, Rotation] = {
    kind.what: kind
    for kind in (
        SmarthostCredential(),
        ApiKey(),
        ReadOnlyApiKey(),
        ExporterToken(),
        StorageKey(),
        BackupPassphrase(),
        MailboxPassword(),
        CloudflareToken(),
        DkimSelector(),
    )
}
