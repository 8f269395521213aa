"""netvip keeps keepalived's virtual IPs alive while systemd-networkd is restarted or reloaded."""

__version__ = "0.1.0"
