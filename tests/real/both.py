"""The two sides of every test in this folder."""

import pytest

BOTH = ("stand-in", pytest.param("genuine", marks=pytest.mark.real))
"""Parameters of a fixture: the same test is run on the stand-in and on the genuine part."""
