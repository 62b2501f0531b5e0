"""Aggregate reports (DMARC, TLS): from messages to evidence, sources and advice.

The room knows nothing of the rest: who asks brings the mail domain along (`dmarc.domain`).
"""
