"""Generations: which value of a generated secret is in use, counted from 1.

`make rotate` raises them; the next deployment makes the new value and hands it to whoever uses it.
"""

from pydantic import PositiveInt

from declaration.settings import Settings


class GenerationSettings(Settings):
    """Secrets that nobody chooses. Another number is another secret, made at the next deployment.

    Mailcow's database passwords are not among them: its containers keep them from the first start.
    """

    api_key: PositiveInt = 1
    """Key to Mailcow's API."""
    api_key_read_only: PositiveInt = 1
    """Key to Mailcow's API that can only read, which the exporter has."""
    exporter_token: PositiveInt = 1
    """What Prometheus shows to the exporter."""
    storage_key: PositiveInt = 1
    """Key of the backup at the object storage. The new one is made before the old one goes."""
