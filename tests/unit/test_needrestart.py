"""The snippet for needrestart, read by perl as needrestart does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SNIPPET = Path(__file__).parents[2] / "needrestart/netvip.conf"

READ = """
our %nrconf = (override_rc => {});
my $text = do { local (@ARGV, $/) = $ARGV[0]; <> };
$text =~ s/-x '[^']*'/$ARGV[1]/;
eval $text or die "not true: $@";
for my $unit ('keepalived.service', 'systemd-networkd.service', 'ssh.service', 'networkd.service') {
    my ($found) = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
    print defined $found ? $nrconf{override_rc}->{$found} : '-';
}
"""


@pytest.mark.skipif(shutil.which("perl") is None, reason="needrestart's language is not installed")
@pytest.mark.parametrize(("installed", "answer"), [("1", "00--"), ("0", "----")])
def test_needrestart_leaves_both_to_the_operator(installed: str, answer: str) -> None:
    done = subprocess.run(
        ["perl", "-we", READ, str(SNIPPET), installed], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr, done.returncode) == (answer, "", 0)
