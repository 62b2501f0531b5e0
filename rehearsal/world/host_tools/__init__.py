"""Commands of the rehearsed host, each run as `python -m rehearsal.world.host_tools.<tool>`.

They find the host in their environment: `DESTDIR` is its scratch root, `REHEARSAL_STATE` the
folder in which units, rule sets and databases are kept, `DOCKER_HOST` its Docker engine.
"""
