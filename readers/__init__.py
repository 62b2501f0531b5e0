"""What an artifact means: one reader for each language, reading as the genuine program does.

A reader takes a text and gives back a model that answers questions. It knows nothing of this
project, touches no network and no file, and leaves nothing out: what it does not understand is a
`Mistake` with its place.
"""
