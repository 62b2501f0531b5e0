"""The restore drill: a snapshot is restored into an empty place, compared, and certified."""
