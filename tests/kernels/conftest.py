"""Fixtures of the tests that boot kernels."""

from __future__ import annotations

from tests.lab.conftest import nothing_leaks

__all__ = ["nothing_leaks"]
