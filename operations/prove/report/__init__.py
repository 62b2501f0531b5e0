"""The report: a terminal view, JSON, JUnit, and one page that stands by itself."""
