"""The genuine engine: Pulumi's CLI, which deploys a rehearsal as it deploys the real host."""
