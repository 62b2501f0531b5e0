"""SPF (RFC 7208), read whole.

`record` is what is written, `check` what a receiver makes of a client, `reach` what a record costs
and who may send by it at all.
"""
