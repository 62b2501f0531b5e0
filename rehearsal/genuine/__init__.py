"""The genuine engine: Pulumi's CLI, which deploys a rehearsal as it deploys the real host."""

from rehearsal.genuine.engine import GenuineEngine, programs_of, rehearse_genuinely

__all__ = ["GenuineEngine", "programs_of", "rehearse_genuinely"]
