"""The constants that more than one module needs, each with its reason or source. Times in s."""

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
#: The deletion follows its announcement by up to 130 ms (fact lead-time) on an idle machine. A
#: loaded one is slower, and a window that stays open costs nothing.
ANNOUNCED_FOR = 0.5
#: networkd has not begun to act while a method call that tells it to has no answer. On a busy host
#: that takes longer than ANNOUNCED_FOR. A call without an answer for this long is not waited for:
#: any user may leave networkd's question to polkit unanswered.
ANSWER_LIMIT = 3.0
#: Nothing may have changed on the interface for this long before a VIP is put back: with a static
#: configuration the host's own address is missing for 15 to 40 ms (measured).
QUIET_FOR = 0.15
#: A link is "configuring" for as long as networkd solicits routers or waits for DHCPv6 (fact
#: configuring-without-routers). If everything is back, this quiet is enough: networkd deletes
#: foreign addresses as it begins, and the host's own are back within 40 ms (measured).
PATIENT_QUIET = 1.0
#: A window ends after this long, whatever networkd does.
WINDOW_LIMIT = 10.0
#: With DHCP the address is missing for as long as the server takes.
WINDOW_LIMIT_DHCP = 30.0
#: However many announcements follow each other, no window lasts longer.
WINDOW_LONGEST = 60.0

# --- keepalived ---------------------------------------------------------------------------------
#: A shield outlives MASTER by the master-down interval and this at most (Law 2).
CARRY_GRACE = 1.0
#: Another master announces its VIPs 0.02 to 9.7 ms after its first advert on an idle machine (fact
#: announcement-follows-advert); until then the neighbours send here. netvip waits no longer for a
#: master that announces nothing (Law 2).
PASSING_LIMIT = 0.05
#: keepalived removes its own VIPs as it leaves MASTER; netvip removes what is left after this.
RETRACT_AFTER = 0.1
#: netvip asks for a dump this often without a reason, to notice a reload that nothing announced.
#: Not more often, as keepalived logs a line for each dump.
DUMP_EVERY = 300.0
#: keepalived writes its dump within some ms, or not at all.
DUMP_LIMIT = 1.0

# --- putting back -------------------------------------------------------------------------------
#: The kernel answers at once; a put-back that is not seen by then was refused. With the quiet
#: before it, at most a second passes until the VIP is released.
RESTORE_LIMIT = 0.5
#: For each VIP it may take this longer, on a machine that is busy besides.
RESTORE_EACH = 0.002
#: Fresh evidence of MASTER must follow a put-back within the advert interval and this.
RECHECK_GRACE = 1.0
#: Deletions by processes other than networkd, outside a window, are restored this often ...
PACE_COUNT = 3
#: ... in this time (Law 6); more of them are intended.
PACE_PERIOD = 60.0

# --- releasing ----------------------------------------------------------------------------------
#: FAULT is cleared if no peer takes over within its skew and this.
RELEASE_GRACE = 2.0
#: How long a node that has released its VIPs stays in FAULT while the peer is MASTER: long enough
#: for keepalived to see it, and longer each time, as a node that preempts would take the VIP back
#: and lose it again.
AWAY_FIRST, AWAY_FACTOR, AWAY_LONGEST = 1.0, 8.0, 600.0
#: How long not to release again after no peer took over.
NOBODY_FIRST, NOBODY_FACTOR, NOBODY_LONGEST = 30.0, 2.0, 600.0

#: In a hand-over the peer takes over within its skew and this, or not at all.
YIELD_GRACE = 0.5

# --- the coordinated check ----------------------------------------------------------------------
#: How often a node is checked by default ...
CHECK_INTERVAL = 2.0
#: ... how many bad findings in a row release a VIP, and how many good ones solve the problem.
CHECK_FALL, CHECK_RISE = 3, 2
#: Triggers within this time cause one check.
COLLECT = 0.05
#: The deadlines of the steps: a neighbour answers within some ms, a busy one later.
NEIGHBOUR_LIMIT, ECHO_LIMIT, SERVICE_LIMIT = 0.3, 0.4, 1.0
#: A check without a result is run again after this: its task has died.
CHECK_LIMIT = 10.0
#: `netvip verify` waits this long for its check: a window may be open, or another check running.
VERIFY_LIMIT = 6.0
#: Linux ignores a gratuitous ARP within a second of the entry's last change (fact arp-locktime): a
#: neighbour with a wrong entry gets the next one after this, and each further one twice as late.
ANNOUNCE_FIRST = 1.0
#: A conflict that comes and goes causes one hand-over in this time (Law 4).
CONFLICT_YIELD_AGAIN = 600.0
#: What never worked since this node is MASTER may fail on both nodes: the peer is tried after this
#: time, which grows.
NEVER_WELL_FIRST, NEVER_WELL_FACTOR, NEVER_WELL_LONGEST = 300.0, 2.0, 3600.0
#: Each VIP costs a broadcast: more VIPs than this are checked less often.
VIPS_PER_INTERVAL = 64
#: After a put-back the VIPs are announced again after 1 s, and after 5 more (keepalived's own
#: vrrp_garp_master_delay) ...
REPEATS = (1.0, 5.0)
#: ... and then once a minute, as keepalived's documentation has vrrp_garp_master_refresh.
REFRESH_EVERY = 60.0

# --- healing ------------------------------------------------------------------------------------
#: A keepalived that has all it needs and is in FAULT for this long stays there ...
STUCK_FOR = 60.0
#: ... and netvip restarts it once in this time at most.
RESTART_AGAIN = 300.0

# --- holds --------------------------------------------------------------------------------------
#: The process that took a hold may be killed before it releases it: an apt run is over by then ...
HOLD_LEASE = 900
#: ... and work on a machine within a day.
HOLD_LONGEST = 86400
#: More holds at a time are a mistake.
HOLDS_MOST = 64

# --- what keepalived's checks read --------------------------------------------------------------
#: For how long a sign of life is valid, and how often the daemon gives one: a killed daemon is back
#: by then, and a hung one does not hold keepalived's check for long (Law 10: 4 s in all).
ALIVE_FOR = 1.5
ALIVE_EVERY = 0.5
#: How long the sweep after a killed daemon holds the checks: the next daemon is ready after
#: RestartSec= and half a second, and keepalived's second failure in a row must not fall in between.
CRASH_HOLD = 1.0
#: Crashes within this time of each other are a row: a restart takes a second. From the third on no
#: check is held, as a daemon that crashes again and again protects nothing (Law 10).
CRASH_LOOP, CRASHES_HELD = 3.0, 2

# --- numbers in the kernel ----------------------------------------------------------------------
#: netvip's tag on addresses (IFA_PROTO, kernel 5.18), a letter of its name; keepalived's is 18.
TAG = 0x6E
#: Tables and nexthops are numbered from the first free multiple of this on: one block a daemon.
NUMBER_BLOCK = 1000
NUMBER_FIRST = 71000
NUMBER_LAST = 99000
#: Table of the VIPs, table of the host, and up to eight nexthops for each interface.
NUMBERS_PER_INTERFACE = 10
#: Routes of one interface that a bridge keeps. More of them are a router's table, of which the
#: bridge keeps the connected subnets and the default route only.
BRIDGE_ROUTES = 32
#: Prefixes of VIPs with two rules each that an instance's bridge has at most, where it can do with
#: so many: 16 rules cost a packet 0.4 us, and the 2,000 of a thousand VIPs 44 (fact rules-cost).
BRIDGE_PREFIXES = 8

# --- places -------------------------------------------------------------------------------------
RUN = "/run/netvip"
CONTROL_SOCKET = f"{RUN}/control"
#: Its members may send requests, as root may.
GROUP = "netvip"
FIFO = f"{RUN}/fifo"
TRACK_DIRECTORY = f"{RUN}/track"
#: Scripts that keepalived runs. They are conffiles: keepalived.conf may name them after a removal
#: of the package, and keepalived treats a missing script as a failing one (fact check-scripts).
CHECK_SCRIPT = "/etc/netvip/keepalived-check"
NOTIFY_SCRIPT = "/etc/netvip/keepalived-notify"
HOLD_SCRIPT = "/etc/netvip/keepalived-hold"
#: Hooks write here, as shell has no sockets.
HOOK_FIFO = f"{RUN}/hook"
#: The answer to the last hook: its token, or that it has to wait.
HEARD_FILE = f"{RUN}/heard"
HOLDS_FILE = f"{RUN}/holds.json"
SNAPSHOT_FILE = f"{RUN}/snapshot.json"
BRIDGE_FILE = f"{RUN}/bridge.json"
CONFIG_FILE = "/etc/netvip/netvip.conf"
STATE_DIRECTORY = "/var/lib/netvip"
#: What keepalived's start waits for: an interface and a source address on each line.
SOURCES_FILE = f"{STATE_DIRECTORY}/sources"
KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
NETWORKD_UNIT = "systemd-networkd.service"
KEEPALIVED_UNIT = "keepalived.service"
