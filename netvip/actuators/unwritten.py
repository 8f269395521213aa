"""Actions whose file could not be written for want of room: kept, and carried out later."""

from __future__ import annotations

from netvip.core.actions import Action, PublishInstance, SetTrackFile, WithdrawInstance

#: Kinds of actions whose effects on one instance's files undo each other: the newest counts.
UNDOING: dict[type[Action], tuple[type[Action], ...]] = {
    WithdrawInstance: (PublishInstance, SetTrackFile),
    PublishInstance: (WithdrawInstance,),
    SetTrackFile: (WithdrawInstance,),
}


class Unwritten:
    """The newest action of each kind and instance; an older one is of no use any more."""

    def __init__(self) -> None:
        self._actions: dict[tuple[type[Action], str], Action] = {}

    def __bool__(self) -> bool:
        """Whether something is left to be written."""
        return bool(self._actions)

    def lacks(self, action: Action) -> bool:
        """Whether this action is still to be carried out."""
        return self._actions.get(_key(type(action), action)) is action

    def keep(self, action: Action) -> None:
        """It could not be written."""
        self.written(action)
        self._actions[_key(type(action), action)] = action

    def written(self, action: Action) -> None:
        """It was written; what was left of its kind, or would undo it, is void."""
        for kind in (type(action), *UNDOING.get(type(action), ())):
            self._actions.pop(_key(kind, action), None)

    def again(self) -> list[Action]:
        """What to try again, FAULT first: a peer may have to take over by it."""
        return sorted(self._actions.values(), key=lambda a: not isinstance(a, SetTrackFile))


def _key(kind: type[Action], action: Action) -> tuple[type[Action], str]:
    return kind, getattr(action, "instance", "")
