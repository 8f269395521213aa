"""The lines of an adoption, for a template that makes the configuration: each with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from netvip.keepalived.adoption import (
    NO_TRACK,
    TRACKS,
    Host,
    chained,
    check_block,
    global_lines,
    is_shared,
    notify_lines,
    own_name,
    refuse_to_chain,
    source_lines,
    track_block,
    unprotectable_ones,
)
from netvip.keepalived.configuration import Configuration, VrrpInstance
from netvip.keepalived.declared import notifies


def lines(configuration: Configuration, host: Host, names: Collection[str] = ()) -> Iterator[str]:
    """The lines for these instances (none named: all that netvip can protect). The configuration is
    one without netvip's lines. Raises ConfigError where something is missing."""
    left = unprotectable_ones(configuration, host)
    yield "# in global_defs"
    yield from global_lines(configuration, host)
    for instance in configuration.instances.values():
        if instance.name not in left and (not names or instance.name in names):
            yield ""
            yield from _instance(configuration, instance, host)


def _instance(configuration: Configuration, instance: VrrpInstance, host: Host) -> Iterator[str]:
    tracks, name = host.version >= TRACKS, own_name(instance)
    yield f"# before vrrp_instance {instance.name}"
    yield from check_block(instance)
    if tracks:
        yield from track_block(instance, host)
    yield f"# in vrrp_instance {instance.name}"
    source = instance.find("mcast_src_ip", "unicast_src_ip")
    if source is not None:
        yield " ".join(source.texts())
    yield from source_lines(instance, host, is_shared(configuration))
    for kind in ("track_script", "track_file") if tracks else ("track_script",):
        yield from (f"{kind} {{", f"    {name}", "}")
    yield from notify_lines(instance, host)
    if not notifies(instance) and not notify_lines(instance, host):
        notify = next(notify for notify in instance.notifies if notify.keyword == "notify")
        refuse_to_chain(notify, host)
        users = " ".join(word for word in (notify.user or "root", notify.group) if word)
        command = notify.command.replace('"', '\\"')
        yield f"# in vrrp_instance {instance.name}, in place of its notify"
        yield f'notify "{chained(instance, notify, host)}{command}" {users}'
    if tracks and any(address.tracked for address in instance.addresses):
        yield f"# {NO_TRACK} behind each address of vrrp_instance {instance.name}"
        for address in instance.addresses:
            words = " ".join(address.statement.texts())
            yield f"{words} {NO_TRACK}" if address.tracked else words
