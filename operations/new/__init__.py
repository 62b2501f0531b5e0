"""Writing the declaration of a new stack: what cannot be known is asked, and checked at once."""
