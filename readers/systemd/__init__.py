"""systemd's units: when what is run, as whom, how it is held, and what is switched on.

Read as systemd 252 reads them (systemd.unit(5), systemd.service(5), systemd.timer(5),
systemd.exec(5)): an assignment that it would ignore is a mistake and counts for nothing.
"""
