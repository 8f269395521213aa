"""[check], [failback] and [healing] of netvip.conf."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from netvip import config
from netvip.core.check.policy import Policy, Wishes
from netvip.errors import ConfigError


def load(place: Path, *texts: str) -> config.Config:
    paths = [place / f"{number}.conf" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return config.load(paths)


def test_every_key(tmp_path: Path) -> None:
    text = """[check]
interval = 0.5
fall = 4
rise = 1
hosts = 10.0.0.1, fd00::1
service = tcp://:443
    http://:80/health 204
[failback]
home = lb1
[healing]
restart = yes
"""
    found = load(tmp_path, text)
    hosts = (ip_address("10.0.0.1"), ip_address("fd00::1"))
    wishes = Wishes(hosts, ("tcp://:443", "http://:80/health 204"))
    assert found.check == Policy(0.5, 4, 1, wishes)
    assert (found.home, found.restart) == ("lb1", True)


def test_an_instance_may_have_its_own_and_keeps_the_others_for_the_rest(tmp_path: Path) -> None:
    own = "[check VI_1]\nservice = tcp://:25\n[check VI 2]\nhosts =\n"
    policy = load(tmp_path, own, "[check]\nhosts = 10.0.0.1\nservice = tcp://:443\n").check
    everybody = (ip_address("10.0.0.1"),)
    assert (policy.hosts("VI_1"), policy.services("VI_1")) == (everybody, ("tcp://:25",))
    assert (policy.hosts("VI 2"), policy.services("VI 2")) == ((), ("tcp://:443",))
    assert (policy.hosts("VI_3"), policy.services("VI_3")) == (everybody, ("tcp://:443",))


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("[check]\ninterval = often\n", 2, "interval must be a number from 0 to 3600"),
        ("[check]\ninterval = 3601\n", 2, "interval must be a number"),
        ("[check]\ninterval = -1\n", 2, "interval must be a number"),
        ("[check]\nfall = 0\n", 2, "fall must be a whole number from 1 to 100"),
        ("[check]\nrise = 1.5\n", 2, "rise must be a whole number"),
        ("[check]\n\nhosts = lb2\n", 3, "hosts must list IP addresses; 'lb2' is not one"),
        ("[check]\nservice = ftp://:21\n", 2, "service 'ftp://:21' is not a service; use"),
        (
            "[check VI_1]\nfall = 2\n",
            2,
            "unknown key fall in [check VI_1]; known keys: hosts, service",
        ),
        ("[healing]\nrestart = perhaps\n", 2, "[healing] restart must be yes or no"),
        (
            "[check]\nfall = 2\n[check A]\nservice = x\n",
            4,
            "[check A] service 'x' is not a service",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path / '0.conf'}:{line}: ")
    assert sentence in str(refused.value)
