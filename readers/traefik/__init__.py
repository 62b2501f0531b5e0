"""Traefik's dynamic files, read as its third version reads them.

`rules` is the grammar of routers, `paths` what becomes of a request's path before any rule sees
it, `dynamic` which routers of the files stand and which of them answers a URL.
"""
