"""What is missing before a command can do its work: on this machine, and in the real accounts.

This file, `__main__`, `bare`, `machine` and `plain` need nothing but Python: they are what runs
where the virtual environment is not there yet.
"""
