"""The layout of netlink messages and of their attributes (netlink(7), rtnetlink(7)).

The daemon and `netvip check` both read netlink with it. keepalived starts `netvip check` every few
seconds, and each import costs processor time there (fact start-up-cost): so this module imports
struct alone."""

from __future__ import annotations

import struct

#: linux/netlink.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x1, 0x4, 0x300, 0x10
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
#: Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
NLA_TYPE_MASK = 0x3FFF
#: linux/if_addr.h
IFA_ADDRESS, IFA_LOCAL = 1, 2

#: struct nlmsghdr, nlattr and ifaddrmsg.
HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
IFADDRMSG = struct.Struct("=BBBBI")


class Message:
    """A netlink message: fields of its header, and all of its bytes, header included.

    author is the netlink port of the socket that asked for the change, 0 if the kernel made it.
    """

    __slots__ = ("author", "data", "kind", "sequence")

    def __init__(self, kind: int, sequence: int, author: int, data: bytes) -> None:
        self.kind, self.sequence, self.author, self.data = kind, sequence, author, data

    @property
    def is_interrupted(self) -> bool:
        """Whether the kernel's tables changed during this dump, which may lack what was there."""
        return bool(HEADER.unpack_from(self.data)[2] & NLM_F_DUMP_INTR)


def split(datagram: bytes) -> list[Message]:
    """The messages of a datagram; a truncated one and what follows it are left out."""
    messages = []
    offset, end = 0, len(datagram)
    while offset + HEADER.size <= end:
        length, kind, _, sequence, author = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size or offset + length > end:
            break
        messages.append(Message(kind, sequence, author, datagram[offset : offset + length]))
        offset += (length + 3) & ~3
    return messages


def attributes(data: bytes, offset: int) -> dict[int, bytes]:
    """The attributes that begin at `offset`, by type; a truncated one ends them."""
    found: dict[int, bytes] = {}
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & NLA_TYPE_MASK] = data[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def error_of(message: Message) -> int:
    """The errno of an NLMSG_ERROR; 0 is an acknowledgement."""
    return -int(struct.unpack_from("=i", message.data, HEADER.size)[0])
