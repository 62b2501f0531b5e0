"""Programs that run on the host, on its own Python (3.9 or later) and nothing else.

Each is one file that is shipped as it is, and `machine.py` is what they have in common: the files
lie side by side in one folder of the host and find each other there. Paths below the host's root
are prefixed with the environment's `DESTDIR`, which is empty on a real host.
"""
