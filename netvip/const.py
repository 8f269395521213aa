"""Every constant that more than one module needs, with its reason or source. Times in s."""

from __future__ import annotations

#: A time that does not come.
NEVER = float("inf")

# --- the shield's lease -------------------------------------------------------------------------
#: Kernel lifetime of a shield address: long enough to live through a late renewal, short enough
#: that a killed netvip leaves nothing behind for longer than a master-down interval (RFC 5798 6.1).
LEASE = 3
#: Renewed three times within a lease, so that two renewals may come late.
RENEW_EVERY = 1.0

# --- windows ------------------------------------------------------------------------------------
#: The deletion follows its announcement by up to 130 ms (measured, 252 and 257); an idle machine.
#: A loaded one is slower, and a window that stays open costs nothing.
ANNOUNCED_FOR = 0.5
#: Nothing may have moved on the interface for this long before a VIP is put back (measured: the
#: host's own address is away for 15 to 40 ms with a static configuration).
QUIET_FOR = 0.15
#: A link is "configuring" for as long as networkd solicits routers or waits for DHCPv6 (252: 12 s
#: and more where there are none). With all back that there was, so long a quiet is enough:
#: networkd drops foreign addresses as it begins, and the host's are back within 40 ms (measured).
PATIENT_QUIET = 1.0
#: A window ends after this long, whatever networkd does.
WINDOW_LIMIT = 10.0
#: With DHCP the address is away for as long as the server takes.
WINDOW_LIMIT_DHCP = 30.0
#: Announcement upon announcement, no window lasts longer than this.
WINDOW_LONGEST = 60.0

# --- keepalived ---------------------------------------------------------------------------------
#: A shield outlives MASTER by the master-down interval and this at most (Law 2).
CARRY_GRACE = 1.0
#: Another master announces its VIPs 0.02 to 6 ms after its first advert (measured, an idle machine;
#: a loaded one is slower); till then the neighbours send here. One that announces nothing is not
#: waited for any longer (Law 2: at once).
PASSING_LIMIT = 0.05
#: keepalived removes its own VIPs as it leaves MASTER; what is left after this is ours to remove.
RETRACT_AFTER = 0.1
#: A dump is asked for again when nothing else asks, to notice a reload that nothing announced.
#: Not oftener: keepalived writes a line to its log each time.
DUMP_EVERY = 300.0
#: keepalived writes its dump within some ms; one that has not come by then will not come.
DUMP_LIMIT = 1.0

# --- putting back -------------------------------------------------------------------------------
#: The kernel answers at once; a put-back that is not seen by then was refused. With the quiet
#: before it, a second at most passes until the VIP is let go.
RESTORE_LIMIT = 0.5
#: Fresh evidence of MASTER must follow a put-back within the advert interval and this.
RECHECK_GRACE = 1.0
#: Deletions by others than networkd, outside a window, are made good this often ...
PACE_COUNT = 3
#: ... in this time (Law 6): more often, somebody means it.
PACE_PERIOD = 60.0

# --- letting go ---------------------------------------------------------------------------------
#: A FAULT that brings no other master within its skew and this is taken back, in seconds.
LET_GO_GRACE = 2.0
#: How long a node that let go stays in FAULT while another is master: just long enough for
#: keepalived to see it, and longer at each time, as a node that preempts would take the VIP back
#: and lose it again.
AWAY_FIRST, AWAY_FACTOR, AWAY_LONGEST = 1.0, 8.0, 600.0
#: How long not to let go again when nobody took over.
NOBODY_FIRST, NOBODY_FACTOR, NOBODY_LONGEST = 30.0, 2.0, 600.0

#: A planned hand-over gives the peer its skew, and this: it comes within a second, or not at all.
YIELD_GRACE = 0.5

# --- the coordinated check ----------------------------------------------------------------------
#: How often a calm node is examined by default, in seconds ...
CHECK_INTERVAL = 2.0
#: ... how many bad findings in a row let a VIP go, and how many good ones make it good again.
CHECK_FALL, CHECK_RISE = 3, 2
#: Triggers that come together make one examination.
COLLECT = 0.05
#: Each step's own deadline, in seconds: a neighbour answers within some ms, a busy one later.
NEIGHBOUR_LIMIT, ECHO_LIMIT, SERVICE_LIMIT = 0.3, 0.4, 1.0
#: One that nobody answers for is taken up again after this: its task has died.
EXAMINATION_LIMIT = 10.0
#: For so long `netvip verify` waits for one: a window may be open, another one be under way.
VERIFY_LIMIT = 6.0
#: Linux heeds no gratuitous ARP within a second of the entry's last change (arp(7), locktime): who
#: stays misled is told again after this, and then twice as late each time.
ANNOUNCE_FIRST = 1.0
#: A conflict that comes and goes makes a node yield once in this time (Law 4).
CONFLICT_YIELD_AGAIN = 600.0
#: What was never well since this node is MASTER may well be wrong on both nodes: so long, and
#: longer each time, passes until the other one is tried.
NEVER_WELL_FIRST, NEVER_WELL_FACTOR, NEVER_WELL_LONGEST = 300.0, 2.0, 3600.0
#: Each VIP is asked for by broadcast: of more than this the checks are made more seldom.
VIPS_PER_INTERVAL = 64
#: After a put-back the VIPs are announced again after 1 s, and after 5 more (keepalived's own
#: vrrp_garp_master_delay) ...
REPEATS = (1.0, 5.0)
#: ... and then once a minute, as keepalived's documentation has vrrp_garp_master_refresh.
REFRESH_EVERY = 60.0

# --- healing ------------------------------------------------------------------------------------
#: A keepalived that has all it needs and is in FAULT for this long will stay there ...
STUCK_FOR = 60.0
#: ... and is restarted once in this time at most.
RESTART_AGAIN = 300.0

# --- holds --------------------------------------------------------------------------------------
#: Whoever took one may have been killed before the release: an apt run is over by then ...
HOLD_LEASE = 900
#: ... and a day's work on a machine ends with the day. Seconds.
HOLD_LONGEST = 86400
#: More reasons at a time are somebody's mistake.
HOLDS_MOST = 64

# --- what keepalived's checks read --------------------------------------------------------------
#: For how long a sign of life counts, and how often one is given: a daemon that was killed is back
#: by then, and one that hangs does not hold the dead man's check for long (Law 10: 4 s in all).
ALIVE_FOR = 1.5
ALIVE_EVERY = 0.5
#: How long a killed daemon's sweep holds the checks for the next one, which is there after
#: RestartSec= and half a second: keepalived's second failure in a row must not fall into between.
CRASH_HOLD = 1.0
#: A crash that follows another one within this time is one of a row: a restart takes a second. From
#: the third on nothing is held: who goes on crashing protects nothing (Law 10).
CRASH_LOOP, CRASHES_HELD = 3.0, 2

# --- numbers in the kernel ----------------------------------------------------------------------
#: Our tag on addresses (IFA_PROTO, kernel 5.18), "nv" in ASCII cut to a byte; 18 is keepalived's.
TAG = 0x6E
#: Tables and nexthops are numbered from the first free multiple of this on: one block a daemon.
NUMBER_BLOCK = 1000
NUMBER_FIRST = 71000
NUMBER_LAST = 99000
#: Table of the VIPs, table of the host, and up to eight nexthops for each interface.
NUMBERS_PER_INTERFACE = 10
#: Routes of one interface that a bridge carries. More is a router's table: then only the connected
#: subnets and the default go along.
BRIDGE_ROUTES = 32

# --- places -------------------------------------------------------------------------------------
RUN = "/run/netvip"
CONTROL_SOCKET = f"{RUN}/control"
#: Its members may ask and hold, as root may.
GROUP = "netvip"
FIFO = f"{RUN}/fifo"
TRACK_DIRECTORY = f"{RUN}/track"
#: Scripts that keepalived runs. They are conffiles: a keepalived.conf may name them after a removal
#: of the package, and a script that is missing counts as one that fails (fact check-scripts).
CHECK_SCRIPT = "/etc/netvip/keepalived-check"
NOTIFY_SCRIPT = "/etc/netvip/keepalived-notify"
HOLD_SCRIPT = "/etc/netvip/keepalived-hold"
#: Hooks write here: shell has no sockets.
HOOK_FIFO = f"{RUN}/hook"
#: What a hook was told last: its token, or that it should wait.
HEARD_FILE = f"{RUN}/heard"
HOLDS_FILE = f"{RUN}/holds.json"
SNAPSHOT_FILE = f"{RUN}/snapshot.json"
BRIDGE_FILE = f"{RUN}/bridge.json"
CONFIG_FILE = "/etc/netvip/netvip.conf"
STATE_DIRECTORY = "/var/lib/netvip"
#: What keepalived's start waits for: an interface and a source address a line.
SOURCES_FILE = f"{STATE_DIRECTORY}/sources"
KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
NETWORKD_UNIT = "systemd-networkd.service"
KEEPALIVED_UNIT = "keepalived.service"
