"""What of the table main wins over a bridge's routes."""

from __future__ import annotations

from ipaddress import ip_network

from netvip.core.mirror import Mirror
from netvip.core.model import Route

LAN, OTHER = 2, 3


def route(destination: str, ifindex: int = LAN, metric: int = 0, table: int = 254) -> Route:
    return Route(ifindex, ip_network(destination), metric=metric, table=table)


def test_a_default_route_is_beaten_by_a_lower_metric_of_another_interface() -> None:
    mirror = Mirror()
    own = route("0.0.0.0/0", metric=1024)
    for other in (
        route("0.0.0.0/0", LAN, 20),
        route("::/0", OTHER, 20),
        route("0.0.0.0/0", OTHER, 2000),
        route("0.0.0.0/0", OTHER, 20, 99),
    ):
        mirror.add_route(other)
        assert not mirror.beaten(own), other
    better = route("0.0.0.0/0", OTHER, 20)
    mirror.add_route(better)
    assert mirror.beaten(own) and not mirror.beaten(route("10.77.0.0/24", metric=1024))
    mirror.remove_route(better)
    assert not mirror.beaten(own)
    mirror.add_route(better)
    mirror.remove_link(OTHER)
    assert not mirror.beaten(own)


def test_a_broader_route_counts_once_however_often_it_is_told() -> None:
    mirror = Mirror()
    own, broader = route("10.77.0.0/24"), route("10.0.0.0/8", OTHER)
    for other in (
        route("10.0.0.0/8"),
        route("10.78.0.0/25", OTHER),
        route("0.0.0.0/0", OTHER),
        route("fd00::/8", OTHER),
    ):
        mirror.add_route(other)
        assert not mirror.broader_elsewhere(own), other
    mirror.add_route(broader)
    mirror.add_route(broader)
    assert mirror.broader_elsewhere(own)
    mirror.remove_route(broader)
    mirror.remove_route(broader)
    assert not mirror.broader_elsewhere(own)
