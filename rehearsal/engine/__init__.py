"""A small deployment engine that speaks Pulumi's own protocol."""
