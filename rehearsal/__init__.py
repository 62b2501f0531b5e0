"""The rehearsal: the unmodified program, run on one machine against a world on loopback."""
