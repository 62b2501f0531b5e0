"""Fixtures that every room shares: the real declaration, completed with invented facts."""

import copy
from pathlib import Path
from typing import Any

import pytest

from declaration.model import Declaration
from declaration.reading import load_values, read

PROJECT = Path(__file__).parent.parent
"""Folder of the program."""

FACTS: dict[str, Any] = {
    "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9C4YqNqiugwvE/ZM/cCxkJ0WA/jf2q680zKaXpeZxv",
    "dkimPublicKey": (
        "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvI1sssziBq3RKrRHhttWzL6ek3feVLHdgQ"
        "fHaqm/gS6ULw4v7qYtdemCfeCK8qd1wxWUwGm9v9BJ6Vj8Trj03spaqDHq4Mvdea7q442u18GJ4dOFwT"
        "eNkZPGFjbtdJs0NN86LOpHgTbPodHFWAyryU5G+yJmiVqL2a97y3jzsTCaEYTvHX73PL/dTPqBDS2jkj"
        "QhtvEkygcl9IRtAC6L1lDJrMA55gO9zLVyE7PFzEi9+Hh4TTZHTBPi74pc/Us6oV755lgDG4OrsGwpKh"
        "NVH16NOS1islDZkP5qxvFCvSk4TqhB6ngZ2svMhbgPLA7FyIEg2Vctmfw2wVkJcmd86QIDAQAB"
    ),
    "exporterDigest": "sha256:" + "5e" * 32,
    "operatorAddresses": ["203.0.113.7"],
}
"""Account facts, invented: valid in form, belonging to nobody."""


@pytest.fixture
def qual_values() -> dict[str, Any]:
    """Return the values of `Pulumi.qual.yaml` with invented facts, free to be changed."""
    return copy.deepcopy(load_values(PROJECT / "Pulumi.qual.yaml") | FACTS)


@pytest.fixture
def qual(qual_values: dict[str, Any]) -> Declaration:
    """Return the declaration of the stack `qual`."""
    return read(qual_values, source="Pulumi.qual.yaml")
