"""The backup on demand: the nightly unit is started now, followed, and its result shown."""
