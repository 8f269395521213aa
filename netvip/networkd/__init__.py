"""systemd-networkd: its files, what it reports of its links, and what it deletes."""
