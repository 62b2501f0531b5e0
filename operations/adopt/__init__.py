"""Adoption: a system that already runs is taken over by the declaration, nothing is recreated.

    python -m operations adopt --stack qual

It reads what runs, matches it with what the program would make, and writes the file for
`pulumi import`. It changes nothing out there.
"""
