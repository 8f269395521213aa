"""Attaches a classic BPF program to a socket (linux/filter.h)."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

#: include/uapi/asm-generic/socket.h
SO_ATTACH_FILTER = 26

#: Code, jump if true, jump if false, constant (struct sock_filter).
Instruction = tuple[int, int, int, int]


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Attach the program: the socket receives only packets that the program accepts."""
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    described = struct.pack("HL", len(program), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
