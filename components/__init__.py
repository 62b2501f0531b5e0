"""One room per part of the mail presence: its settings, its renderers, its component."""
