"""Services on loopback that stand where the real ones would."""
