"""What an operator runs around `pulumi up`."""
