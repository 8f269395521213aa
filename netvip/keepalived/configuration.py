"""A keepalived configuration as values, each with its place in the files."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netvip.core.model import Tri
from netvip.keepalived.complaints import Complaint

IP = IPv4Address | IPv6Address
#: The priority of the address owner (RFC 5798 5.2.4).
OWNER_PRIORITY = 255


@dataclass(frozen=True, slots=True)
class Word:
    """A word as keepalived reads it (unquoted, definitions expanded), and its place.

    start and end are offsets into the text of the statement's file; of a word that a definition
    or a sequence made, those of the reference.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Words of one line between braces, and the blocks around them, outermost first."""

    path: Path
    line: int
    words: tuple[Word, ...]
    blocks: tuple[tuple[str, ...], ...] = ()
    #: Whether it applies on this node: a line after @id applies on some nodes; UNKNOWN if the
    #: node's configuration id is not known.
    applies: Tri = Tri.YES
    #: Whether it is in its file word for word, so that an edit may change it there.
    verbatim: bool = True
    #: Whether it is a line of its file, though definitions may make words of it: an edit may add a
    #: word to it.
    stands: bool = True
    #: Whether keepalived knows the first word in this block; it passes over the line otherwise.
    known: bool = True

    @property
    def keyword(self) -> str:
        """The first word (behind its condition, if it has one)."""
        return self.words[0].text

    @property
    def where(self) -> str:
        """file:line"""
        return f"{self.path}:{self.line}"

    def texts(self) -> tuple[str, ...]:
        """The words."""
        return tuple(word.text for word in self.words)

    def inside(self, block: str) -> bool:
        """Whether the innermost block around it has this name."""
        return bool(self.blocks) and self.blocks[-1][:1] == (block,)


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """An address of virtual_ipaddress or virtual_ipaddress_excluded."""

    ip: IP
    prefixlen: int
    interface: str
    tracked: bool
    excluded: bool
    statement: Statement
    #: On a macvlan of keepalived's own, which networkd does not change.
    vmac: bool = False


@dataclass(frozen=True, slots=True)
class VirtualObject:
    """A virtual route or rule: its words, and whether keepalived watches it."""

    words: tuple[str, ...]
    tracked: bool
    statement: Statement


@dataclass(frozen=True, slots=True)
class Reference:
    """A script, file, process or interface that an instance or a sync group tracks, by name."""

    name: str
    #: None if none is written; then the definition's applies.
    weight: int | None
    statement: Statement


@dataclass(frozen=True, slots=True)
class Script:
    """A vrrp_script with keepalived's defaults filled in. interval and timeout in seconds."""

    name: str
    statement: Statement
    #: The command line as written, without its quotes; empty if none is given.
    command: str = ""
    #: Where the command is written; None if it is not.
    command_at: Statement | None = None
    interval: float = 1.0
    #: None: as long as the interval.
    timeout: float | None = None
    weight: int = 0
    rise: int = 1
    fall: int = 1
    user: str | None = None


@dataclass(frozen=True, slots=True)
class TrackFile:
    """A track_file (vrrp_track_file) definition; keepalived's own default of weight is 1."""

    name: str
    file: str
    weight: int
    statement: Statement


@dataclass(frozen=True, slots=True)
class Notify:
    """A notify script; its keyword tells when keepalived runs it."""

    keyword: str
    command: str
    user: str | None
    group: str | None
    statement: Statement


@dataclass(frozen=True, slots=True)
class VrrpInstance:
    """A vrrp_instance with keepalived's defaults filled in. advert_interval in seconds."""

    name: str
    #: The line that opens it first, and all of its lines, that one included.
    statement: Statement
    statements: tuple[Statement, ...]
    interface: str = ""
    interface_at: Statement | None = None
    #: MASTER or BACKUP, as written; empty if it is not.
    state: str = ""
    vrid: int | None = None
    priority: int = 100
    advert_interval: float = 1.0
    #: 2 or 3; None if it is not configured.
    vrrp_version: int | None = None
    nopreempt: Tri = Tri.NO
    #: The configured mcast_src_ip or unicast_src_ip; UNKNOWN where a condition decides.
    source: Tri = Tri.NO
    source_ip: IP | None = None
    #: The configured mcast_dst_ip; None: that of global_defs.
    multicast_group: IP | None = None
    #: 4 or 6: that of its adverts.
    family: int = 4
    unicast_peers: tuple[IP, ...] = ()
    #: The block of peers may exist without a peer that could be read.
    unicast: bool = False
    #: none, PASS or AH, as written.
    auth_type: str = ""
    use_vmac: bool = False
    strict: Tri = Tri.UNKNOWN
    addresses: tuple[VirtualAddress, ...] = ()
    routes: tuple[VirtualObject, ...] = ()
    rules: tuple[VirtualObject, ...] = ()
    track_scripts: tuple[Reference, ...] = ()
    track_files: tuple[Reference, ...] = ()
    track_interfaces: tuple[Reference, ...] = ()
    #: Processes (vrrp_track_process) and BFD instances.
    track_others: tuple[Reference, ...] = ()
    notifies: tuple[Notify, ...] = ()

    @property
    def never_preempts(self) -> Tri:
        """Whether nopreempt counts: keepalived drops it where the state is MASTER, or the priority
        the address owner's."""
        dropped = self.state == "MASTER" or self.priority == OWNER_PRIORITY
        return Tri.NO if dropped else self.nopreempt

    def own_lines(self, *keywords: str) -> list[Statement]:
        """The instance's own lines (not those of a block inside it) with such a keyword."""
        return [s for s in self.statements if len(s.blocks) == 1 and s.keyword in keywords]

    def find(self, *keywords: str) -> Statement | None:
        """The last of them."""
        own = self.own_lines(*keywords)
        return own[-1] if own else None


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """A vrrp_sync_group."""

    name: str
    statement: Statement
    members: tuple[str, ...] = ()
    track_scripts: tuple[Reference, ...] = ()
    track_files: tuple[Reference, ...] = ()
    notifies: tuple[Notify, ...] = ()
    #: Whether it lets its members' weights count (sync_group_tracking_weight, or global_tracking).
    weighs: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration with its includes."""

    main: Path
    #: The text of every file, by the path that keepalived opens; undecodable bytes are kept as
    #: surrogates, so that encoding gives the same bytes back.
    texts: dict[Path, str]
    #: Directories that were searched for included files: a new file there changes the
    #: configuration.
    directories: tuple[Path, ...]
    #: In the order in which keepalived reads them, without lines that do not apply here.
    statements: tuple[Statement, ...]
    instances: dict[str, VrrpInstance] = field(default_factory=dict)
    scripts: dict[str, Script] = field(default_factory=dict)
    track_files: dict[str, TrackFile] = field(default_factory=dict)
    groups: dict[str, SyncGroup] = field(default_factory=dict)
    #: What keepalived does not take as it is written.
    complaints: tuple[Complaint, ...] = ()

    #: The last line of global_defs with each keyword, and its place among the statements: looking
    #: for it again for each instance would take quadratic time.
    _globals: dict[str, tuple[int, Statement]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {
            s.keyword: (at, s)
            for at, s in enumerate(self.statements)
            if len(s.blocks) == 1 and s.inside("global_defs") and s.known
        }
        object.__setattr__(self, "_globals", found)

    def globals(self, *keywords: str) -> Statement | None:
        """The last line of global_defs with such a keyword."""
        found = [self._globals[keyword] for keyword in keywords if keyword in self._globals]
        return max(found, key=lambda one: one[0])[1] if found else None

    def setting(self, instance: VrrpInstance, keyword: str) -> Statement | None:
        """The line that sets it for an instance: its own, or else that of global_defs, which has
        the prefix vrrp_."""
        return instance.find(keyword) or self.globals(f"vrrp_{keyword}")
