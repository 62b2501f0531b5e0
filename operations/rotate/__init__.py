"""`make rotate`: another credential in place of the one in use, without losing a message."""
