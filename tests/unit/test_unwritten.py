"""Actions that wait for room on the disk."""

from __future__ import annotations

from netvip.actuators.unwritten import Unwritten
from netvip.core.actions import PublishInstance, PublishWindow, SetTrackFile, WithdrawInstance


def test_the_newest_of_each_kind_is_tried_again_fault_first() -> None:
    left = Unwritten()
    fault, other = SetTrackFile("VI_1", True), SetTrackFile("VI_2", True)
    left.keep(PublishWindow(True))
    left.keep(SetTrackFile("VI_1", False))
    left.keep(fault)
    left.keep(PublishWindow(False))
    left.keep(other)
    assert left.again() == [fault, other, PublishWindow(False)]


def test_what_was_written_meanwhile_is_not_written_again() -> None:
    left = Unwritten()
    left.keep(SetTrackFile("VI_1", True))
    left.written(SetTrackFile("VI_1", False))
    assert left.again() == [] and not left


RECORD = PublishInstance("VI_1", "MASTER", "good", "", True, (), 1, ())


def test_an_instance_that_is_gone_gets_no_fault_and_no_record_any_more() -> None:
    for store in (Unwritten.keep, Unwritten.written):
        left = Unwritten()
        left.keep(SetTrackFile("VI_1", True))
        left.keep(RECORD)
        store(left, WithdrawInstance("VI_1"))
        assert left.again() in ([], [WithdrawInstance("VI_1")])


def test_one_that_is_back_is_not_withdrawn_any_more() -> None:
    left = Unwritten()
    left.keep(WithdrawInstance("VI_1"))
    left.written(RECORD)
    assert not left
