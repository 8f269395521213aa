"""Classic BPF on a socket (linux/filter.h): code, jump if true, jump if false, constant."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

#: include/uapi/asm-generic/socket.h
SO_ATTACH_FILTER = 26

Instruction = tuple[int, int, int, int]


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Have the kernel pass only what the program takes."""
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    described = struct.pack("HL", len(program), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
