"""The words that keepalived knows in each block, and how it reads what stands behind them.

Of every version from 1.3 to 2.4: a word that a version does not know yet changes nothing there,
unless it opens a block. Measured on 2.2.7 and 2.3.3 (fact keywords).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Level:
    """What may stand between the braces of a block."""

    lines: frozenset[str] = frozenset()
    #: Those behind which keepalived wants a word: without one it ends with exit status 2.
    demanding: frozenset[str] = frozenset()
    #: Blocks of values: whatever stands in them, the next } ends them.
    values: frozenset[str] = frozenset()
    #: Blocks with words of their own.
    levels: Mapping[str, Level] = field(default_factory=dict)
    #: Blocks of another process of keepalived's, whose braces are counted.
    counted: frozenset[str] = frozenset()

    def knows(self, word: str) -> bool:
        """Whether keepalived knows the word here."""
        known = (self.lines, self.values, self.levels, self.counted)
        return any(word in words for words in known)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _level(words: str, values: str = "", levels: Mapping[str, Level] | None = None) -> Level:
    """A level of words; a ! behind a word tells that it wants another."""
    lines = words.split()
    bare = frozenset(word.removesuffix("!") for word in lines)
    demanding = frozenset(word[:-1] for word in lines if word.endswith("!"))
    return Level(bare, demanding, _words(values), levels or {})


_TRACKS = "track_interface track_script track_file track_process track_bfd"
_AUTHENTICATION = _level("auth_type! auth_pass!")
_GLOBAL = _level(
    """
    bfd_cpu_affinity bfd_no_swap bfd_priority bfd_process_name! bfd_rlimit_rtime!
    bfd_rlimit_rttime! bfd_rt_priority checker_cpu_affinity checker_log_all_failures
    checker_no_swap checker_priority checker_process_name! checker_rlimit_rtime!
    checker_rlimit_rttime! checker_rt_priority config_save_dir! data_use_instance
    dbus_no_interface_name dbus_service_name default_interface disable_local_igmp
    dynamic_interfaces enable_dbus enable_script_security enable_snmp_checker
    enable_snmp_keepalived enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_snmp_vrrp
    enable_traps fifo_write_vrrp_states_on_reload include_check iproute_etc_dir iproute_usr_dir
    json_dump_file json_version log_unknown_vrids lvs_flush lvs_flush_on_stop lvs_flush_onstop
    lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs
    lvs_netlink_monitor_rcv_bufs_force lvs_notify_fifo lvs_notify_fifo_script lvs_process_name!
    lvs_sync_daemon lvs_timeouts max_auto_priority min_auto_priority_delay nftables
    nftables_counters nftables_ifindex nftables_ipvs nftables_ipvs_priority!
    nftables_ipvs_start_fwmark! nftables_priority! no_checker_emails no_email_faults
    notification_email_from notify_fifo notify_fifo_script process_monitor_rcv_bufs
    process_monitor_rcv_bufs_force process_name! process_names random_seed! reload_check_config
    reload_file reload_repeat reload_time_file router_id rs_init_notifies script_user
    set_supplementary_groups shutdown_script shutdown_script_timeout smtp_alert
    smtp_alert_checker smtp_alert_vrrp smtp_connect_timeout! smtp_helo_name smtp_server!
    snmp_rs_stats_update_interval! snmp_socket snmp_vs_stats_update_interval! startup_script
    startup_script_timeout state_dump_file stats_dump_file tmp_config_directory umask!
    use_symlink_paths v3_checksum_as_v2 vmac_addr_prefix! vmac_prefix! vrrp_check_unicast_src
    vrrp_cpu_affinity vrrp_delay_after_boot vrrp_down_timer_adverts! vrrp_garp_extra_if
    vrrp_garp_interval! vrrp_garp_lower_prio_delay! vrrp_garp_lower_prio_repeat!
    vrrp_garp_master_delay! vrrp_garp_master_refresh! vrrp_garp_master_refresh_repeat!
    vrrp_garp_master_repeat! vrrp_gna_interval! vrrp_higher_prio_send_advert vrrp_ipsets
    vrrp_iptables vrrp_lower_prio_no_advert vrrp_mcast_group4! vrrp_mcast_group6! vrrp_min_garp
    vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs
    vrrp_netlink_monitor_rcv_bufs_force vrrp_no_swap vrrp_notify_fifo vrrp_notify_fifo_script
    vrrp_notify_priority_changes vrrp_owner_ignore_adverts vrrp_priority vrrp_process_name!
    vrrp_rlimit_rtime! vrrp_rlimit_rttime! vrrp_rt_priority vrrp_rx_bufs_multiplier
    vrrp_rx_bufs_policy vrrp_skip_check_adv_addr vrrp_startup_delay! vrrp_strict vrrp_version!
    vrrp_vmac_garp_intvl
    """,
    "notification_email",
)
_INSTANCE = _level(
    """
    accept advert_int! check_unicast_src debug! dont_track_primary down_timer_adverts!
    garp_extra_if garp_lower_prio_delay! garp_lower_prio_repeat! garp_master_delay!
    garp_master_refresh! garp_master_refresh_repeat! garp_master_repeat! higher_prio_send_advert
    interface! kernel_rx_buf_size linkbeat_use_polling lower_prio_no_advert
    lvs_sync_daemon_interface! mcast_dst_ip! mcast_src_ip! native_ipv6 no_accept
    no_virtual_ipaddress nopreempt notify! notify_backup! notify_deleted notify_fault!
    notify_master! notify_master_rx_lower_pri! notify_priority_changes notify_stop!
    old_unicast_checksum owner_ignore_adverts preempt preempt_delay! priority!
    promote_secondaries skip_check_adv_addr smtp_alert state! strict_mode thread_timer_expired
    timer_expired_backup track_src_ip unicast_fault_no_peer unicast_src_ip! unicast_ttl!
    use_ipvlan use_vmac use_vmac_addr v3_checksum_as_v2 version! virtual_router_id!
    vmac_garp_intvl vmac_xmit_base vrf!
    """,
    f"{_TRACKS} unicast_peer virtual_ipaddress virtual_ipaddress_excluded"
    " virtual_routes virtual_rules",
    {"authentication": _AUTHENTICATION},
)
_TRACK_FILE = _level("file weight init_file")
#: vrrp_instance of 2.4.
_HMAC = {"auth_hmac": _level("key active_key time_window anti_replay mode")}
INSTANCE_2_4 = Level(
    _INSTANCE.lines, _INSTANCE.demanding, _INSTANCE.values, {**_INSTANCE.levels, **_HMAC}
)
_LEVELS = {
    "global_defs": _GLOBAL,
    "vrrp_instance": _INSTANCE,
    "vrrp_sync_group": _level(
        """
        global_tracking notify! notify_backup! notify_fault! notify_master!
        notify_priority_changes notify_stop! smtp_alert sync_group_tracking_weight
        """,
        f"{_TRACKS} group",
    ),
    "vrrp_script": _level("script interval! timeout! weight! rise! fall! user! init_fail"),
    "vrrp_track_process": _level(
        """
        delay! fork_delay! full_command param_match process! quorum! quorum_max!
        terminate_delay! weight
        """
    ),
    "track_file": _TRACK_FILE,
    "vrrp_track_file": _TRACK_FILE,
    "garp_group": _level("garp_interval! gna_interval! interface!", "interfaces"),
    "track_group": _level("", "group"),
    "bfd_instance": _level(
        """
        checker hoplimit! idle_tx! max_hops! min_rx! min_tx! multihop multiplier! neighbor_ip!
        neighbour_ip! passive source_ip! ttl! vrrp weight!
        """
    ),
}
_ROOT_LINES = (
    "linkbeat_use_polling net_namespace net_namespace_ipvs namespace_with_ipsets use_pid_dir"
    " instance child_wait_time"
)
#: Opened without a name, these end keepalived.
_NAMED = (
    "vrrp_script vrrp_track_process track_file vrrp_track_file bfd_instance virtual_server"
    " virtual_server_group child_wait_time"
)


_VALUES = _words(
    "static_ipaddress static_routes static_rules linkbeat_interfaces interface_up_down_delays"
)
#: Blocks of the checker process.
_CHECKER = frozenset({"virtual_server", "virtual_server_group", "SSL"})


@dataclass(frozen=True, slots=True)
class Root:
    """What one process knows outside of blocks."""

    level: Level
    #: Those of the counted blocks whose lines another process keeps.
    mute: frozenset[str]
    #: Whether another process keeps the lines outside of blocks.
    mute_outside: bool = False


def parent() -> Root:
    """keepalived's parent process."""
    others = (_CHECKER | _VALUES | frozenset(_LEVELS)) - {"global_defs"}
    own = {"global_defs": _GLOBAL}
    level = Level(_words(_ROOT_LINES), _words(_NAMED), levels=own, counted=others)
    return Root(level, others, mute_outside=True)


def vrrp(version: tuple[int, ...]) -> Root:
    """keepalived's VRRP process, as it starts; an empty version is the newest."""
    newest = not version or version >= (2, 4)
    levels = {**_LEVELS, "vrrp_instance": INSTANCE_2_4} if newest else dict(_LEVELS)
    del levels["global_defs"]
    others = _CHECKER | {"global_defs"}
    level = Level(_words(_ROOT_LINES), _words(_NAMED), _VALUES, levels, others)
    return Root(level, frozenset({"global_defs"}))


def known_words(opener: tuple[str, ...]) -> frozenset[str]:
    """The words that keepalived knows in the block that these words open; outside of blocks for
    none."""
    level = _LEVELS.get(opener[0]) if opener else vrrp(()).level
    level = level or (_AUTHENTICATION if opener[:1] == ("authentication",) else Level())
    return level.lines | level.values | level.counted | frozenset(level.levels)


#: In blocks of the checker process: the words that end keepalived where their value is missing.
_SERVER = _words(
    "connect_timeout delay_before_retry delay_loop hysteresis ip_family lb_algo"
    " lb_kind lvs_method lvs_sched persistence_engine persistence_granularity protocol"
    " quorum quorum_down quorum_up real_server retry sorry_server warmup weight"
)
_REAL = _words(
    "connect_timeout delay_before_retry delay_loop lthreshold lvs_method notify_down"
    " notify_up retry uthreshold warmup"
)
_CHECK = _words(
    "bind_if bind_port bindto connect_ip connect_port connect_timeout"
    " delay_before_retry delay_loop fwmark retry warmup"
)
_CHECKS = {
    "DNS_CHECK": frozenset({"type", "name"}),
    "FILE_CHECK": frozenset({"track_file"}),
    "HTTP_GET": frozenset({"nb_get_retry"}),
    "SSL_GET": frozenset({"nb_get_retry"}),
    "MISC_CHECK": frozenset({"misc_timeout"}),
    "UDP_CHECK": frozenset({"max_reply_length", "min_reply_length"}),
    "BFD_CHECK": frozenset[str](),
    "PING_CHECK": frozenset[str](),
    "SMTP_CHECK": frozenset[str](),
    "TCP_CHECK": frozenset[str](),
}


def demanding_elsewhere(opener: tuple[str, ...]) -> frozenset[str]:
    """The same for a block of another process, by the words that open it."""
    block = opener[0] if opener else ""
    if block in _CHECKS:
        return _CHECKS[block] | _CHECK
    return {
        "virtual_server": _SERVER,
        "real_server": _REAL,
        "url": frozenset({"path", "digest"}),
    }.get(block, frozenset())


#: The options of routes and rules that end keepalived where they are the last word of a line.
_ROUTE = _words(
    """
    advmss as blackhole congctl cwnd dev dsfield fastopen_no_cookie features hoplimit initcwnd
    initrwnd metric mtu oif or preference priority prohibit protocol quickack realms reordering
    rto_min rtt rttvar scope src ssthresh table throw to tos ttl-propagate unreachable via window
    """
)
_RULE = _words(
    """
    dev dport dsfield from fwmark goto iif ipproto lookup oif order preference priority protocol
    realms sport suppress_ifgroup suppress_prefixlength table to tos type uidrange
    """
)
_LAST = {
    "virtual_routes": _ROUTE,
    "static_routes": _ROUTE,
    "virtual_rules": _RULE,
    "static_rules": _RULE,
}


def never_last(opener: tuple[str, ...]) -> frozenset[str]:
    """The words that end keepalived as the last one of a line in this block of values."""
    return _LAST.get(opener[0], frozenset())
