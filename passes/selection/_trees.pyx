# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, freethreading_compatible=True
"""The subset recursion of cheapest conversion trees; `conversion.py` says what it is for."""

from libc.math cimport INFINITY


def grow_trees(const double[:, ::1] distance, const int[::1] terminals, double[:, ::1] branch, double[:, ::1] cost):
    """Fill `branch` and `cost`, both [subset of terminals, source]: the cheapest trees that fork at the source, and all."""
    cdef int count = <int>distance.shape[0], many = <int>terminals.shape[0], s, u, bit
    cdef unsigned int mask, part, rest, low
    cdef double least
    for s in range(count):
        branch[0, s] = cost[0, s] = 0.0
    for mask in range(1, <unsigned int>1 << many):
        low = mask & (~mask + 1)
        rest = mask ^ low
        for s in range(count):
            branch[mask, s] = INFINITY
        if rest == 0:
            bit = 0
            while (mask >> bit) != 1:
                bit += 1
            branch[mask, terminals[bit]] = 0.0
        else:
            # Proper subsets with the lowest bit: one of each complementary pair.
            part = rest
            while part:
                part = (part - 1) & rest
                for s in range(count):
                    least = cost[low | part, s] + cost[rest ^ part, s]
                    if least < branch[mask, s]:
                        branch[mask, s] = least
        for s in range(count):
            least = INFINITY
            for u in range(count):
                least = min(least, distance[s, u] + branch[mask, u])
            cost[mask, s] = least
