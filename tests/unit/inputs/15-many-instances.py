"""Writes a guarded configuration of N instances (default 255): time `declaration` on it."""

import sys

N = int(sys.argv[1]) if len(sys.argv) > 1 else 255
print("global_defs {\n    vrrp_notify_fifo /run/netvip/fifo\n}")
for i in range(N):
    print(f"""vrrp_script netvip_I{i} {{
    script "/etc/netvip/keepalived-check I{i}"
    user root
}}
track_file netvip_I{i} {{
    file "/run/netvip/track/I{i}"
    weight 0
}}
vrrp_instance I{i} {{
    state BACKUP
    interface eth{i // 250}
    mcast_src_ip 10.0.0.9
    notify "/etc/netvip/keepalived-notify I{i}" root
    track_script {{
        netvip_I{i}
    }}
    track_file {{
        netvip_I{i}
    }}
    virtual_router_id {i % 250 + 1}
    virtual_ipaddress {{
        10.1.{i // 250}.{i % 250}/24 no_track
    }}
}}""")
