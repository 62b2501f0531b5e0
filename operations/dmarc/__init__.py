"""DMARC by evidence: aggregate reports decide which stage the domain may take."""
