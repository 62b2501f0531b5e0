"""What every Pulumi provider in Python needs beside the SDK's own server.

`values`: property values as plain Python and back. `checking`: mistakes in a declaration, by its
shape. `differences`: what differs, by path. `failures`, `scrubbing`: what went wrong, in one line
without a secret. `serving`: the provider as a plugin, or one that runs already and is attached to.
"""
