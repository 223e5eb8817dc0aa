# cython: language_level=3, binding=True, embedsignature=False
"""The binding: references, kernel tables, memory, plans.  Everything hot is C (src/); this converts and checks.

One module, in a file for each of its parts, which are included in their order.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

import os
from typing import NamedTuple

import numpy as np

include "c_api.pxi"


class Ref(NamedTuple):
    """A place in memory as a plan sees it: a base and an offset in bytes.  See `null`, `arena` and `external`."""

    base: int
    offset: int


null = Ref(0, 0)


def arena(offset):
    """The place `offset` bytes into the plan's arena."""
    return Ref(BASE_ARENA, offset)


def external(index, offset=0):
    """The place `offset` bytes into the plan's external buffer `index`."""
    return Ref(BASE_EXTERNAL + index, offset)


include "tables.pxi"
include "memory.pxi"
include "plan.pxi"
