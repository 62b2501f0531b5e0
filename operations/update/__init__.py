"""Upgrading Mailcow: what changes, a backup, the upgrade, the proof, and the way back."""
