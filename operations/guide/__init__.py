"""The set-up guide that a person gets: one page for each mail program, and a profile for Apple's.

Everything in it is derived from the declaration, so that a page cannot name a server, a port or
an address that this stack does not have.
"""
