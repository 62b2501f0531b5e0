"""Programs that run on the host, on its own Python (3.9 or later) and nothing else.

Each is one file that is shipped as it is. Paths below the host's root are prefixed with the
environment's `DESTDIR`, which is empty on a real host.
"""
