# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, freethreading_compatible=True
"""A dual bound of pairwise graphs by sequential message passing; `dual.py` says what it is for.

The tables are never written to: what moved from a table to the costs of its two variables is kept beside it, as one
number per state of each (`given`).  Sums stay finite, since states without a finite partner were taken out before.
"""

from libc.math cimport INFINITY

import numpy as np

ctypedef Py_ssize_t index


cdef class Messages:
    """Costs of variables, tables of pairs, and what moved between them.

    Pair `e` has its table twice: `tables[down_at[e]:]` with a row per state of its first variable, `tables[up_at[e]:]`
    with a row per state of its second.  `near_starts` and `near` list the pairs of every variable.
    """

    cdef const int[::1] size
    cdef const int[:, ::1] ends
    cdef const double[::1] tables
    cdef const long long[::1] down_at
    cdef const long long[::1] up_at
    cdef const long long[::1] near_starts
    cdef const int[::1] near
    cdef const long long[::1] cost_at
    cdef double[::1] costs
    cdef const long long[:, ::1] given_at
    cdef double[::1] given
    cdef double[::1] row
    cdef double[::1] column

    def __init__(self, const int[::1] size, const int[:, ::1] ends, const double[::1] tables,
                 const long long[::1] down_at, const long long[::1] up_at, const long long[::1] near_starts,
                 const int[::1] near, const long long[::1] cost_at, double[::1] costs,
                 const long long[:, ::1] given_at, double[::1] given):
        self.size, self.ends, self.tables, self.down_at, self.up_at = size, ends, tables, down_at, up_at
        self.near_starts, self.near, self.cost_at, self.costs = near_starts, near, cost_at, costs
        self.given_at, self.given = given_at, given
        most = int(np.max(size, initial=1))
        self.row, self.column = np.zeros(most), np.zeros(most)

    def sweep(self):
        """Visit the variables in order and then backwards; the bound never falls."""
        cdef int v
        for v in range(self.size.shape[0]):
            self.visit(v, True)
        for v in range(<int>self.size.shape[0] - 1, -1, -1):
            self.visit(v, False)

    cdef int visit(self, int v, bint forward) noexcept:
        """Collect all that the pairs of `v` can give, and share it out to the pairs that lie ahead."""
        cdef index k, x, states = self.size[v], ahead = 0, behind = 0
        cdef int e, u
        cdef double share
        cdef double *own = &self.costs[self.cost_at[v]]
        cdef double *given
        for k in range(self.near_starts[v], self.near_starts[v + 1]):
            e = self.near[k]
            u = self.ends[e, 1] if self.ends[e, 0] == v else self.ends[e, 0]
            self.collect(e, v)
            if (u > v) == forward:
                ahead += 1
            else:
                behind += 1
        if ahead == 0:
            return 0
        share = 1.0 / max(ahead, behind)
        for k in range(self.near_starts[v], self.near_starts[v + 1]):
            e = self.near[k]
            u = self.ends[e, 1] if self.ends[e, 0] == v else self.ends[e, 0]
            if (u > v) == forward:
                given = &self.given[self.given_at[e, 0 if u > v else 1]]
                for x in range(states):
                    given[x] -= share * own[x]
        share = 1.0 - share * ahead
        for x in range(states):
            own[x] = own[x] * share if share > 1e-12 else 0.0
        return 0

    cdef int collect(self, int e, int v) noexcept:
        """Move to `v` the least of every row of a pair's table."""
        cdef index x, states = self.size[v]
        cdef int side = 0 if self.ends[e, 0] == v else 1
        cdef double *own = &self.costs[self.cost_at[v]]
        cdef double *given = &self.given[self.given_at[e, side]]
        self.least(e, side)
        for x in range(states):
            own[x] += self.row[x] - given[x]
            given[x] = self.row[x]
        return 0

    cdef int least(self, int e, int side) noexcept:
        """For every state on one side, the least of the table without what it gave to the other side; into `row`."""
        cdef int other = self.ends[e, 1 - side]
        cdef index x, y, states = self.size[self.ends[e, side]]
        cdef const double *table = &self.tables[self.up_at[e] if side == 0 else self.down_at[e]]
        cdef const double *line
        cdef double *row = &self.row[0]
        cdef double *given = &self.given[self.given_at[e, 1 - side]]
        cdef double less
        for x in range(states):
            row[x] = INFINITY
        for y in range(self.size[other]):
            line, less = table + y * states, given[y]
            for x in range(states):
                row[x] = line[x] - less if line[x] - less < row[x] else row[x]
        return 0

    def bound(self):
        """Sum of the least entries of all costs and tables: a lower bound on the objective."""
        cdef double total = 0.0, least
        cdef int v, e
        cdef index x
        for v in range(self.size.shape[0]):
            least = INFINITY
            for x in range(self.size[v]):
                least = min(least, self.costs[self.cost_at[v] + x])
            total += least
        for e in range(self.ends.shape[0]):
            self.least(e, 0)
            total += self.rest(e, 0)
        return total

    cdef double rest(self, int e, int side) noexcept:
        """After `least`: take off `row` what its side was given; the least that stays."""
        cdef index x
        cdef double least = INFINITY
        cdef double *given = &self.given[self.given_at[e, side]]
        for x in range(self.size[self.ends[e, side]]):
            self.row[x] -= given[x]
            least = min(least, self.row[x])
        return least

    def excesses(self):
        """For every state (as `costs` lies) how far above the bound every plan with it is."""
        result = np.array(self.costs)
        cdef double[::1] excess = result
        cdef int v, e, side
        cdef index x
        cdef double least
        for v in range(self.size.shape[0]):
            least = INFINITY
            for x in range(self.size[v]):
                least = min(least, excess[self.cost_at[v] + x])
            for x in range(self.size[v]):
                excess[self.cost_at[v] + x] -= least
        for e in range(self.ends.shape[0]):
            for side in range(2):
                self.least(e, side)
                least = self.rest(e, side)
                v = self.ends[e, side]
                for x in range(self.size[v]):
                    excess[self.cost_at[v] + x] += self.row[x] - least
        return result

    def settle(self, const long long[::1] table_at, double[::1] target):
        """Write the tables without what they gave away to `target`, a row per state of the first variable."""
        cdef index e, a, b, at, first, second
        for e in range(self.ends.shape[0]):
            first, second, at = self.size[self.ends[e, 0]], self.size[self.ends[e, 1]], table_at[e]
            for a in range(first):
                for b in range(second):
                    target[at] = (self.tables[self.down_at[e] + a * second + b] - self.given[self.given_at[e, 0] + a]
                                  - self.given[self.given_at[e, 1] + b])
                    at += 1

    def round(self, int[::1] states):
        """A state for every variable, in order: the best with what stands fixed before it and the least behind."""
        cdef int v, e, u
        cdef index k, x, best
        cdef double *total = &self.column[0]
        cdef const double *line
        for v in range(self.size.shape[0]):
            for x in range(self.size[v]):
                total[x] = self.costs[self.cost_at[v] + x]
            for k in range(self.near_starts[v], self.near_starts[v + 1]):
                e = self.near[k]
                if self.ends[e, 1] == v:
                    u = self.ends[e, 0]
                    line = &self.tables[self.down_at[e] + states[u] * self.size[v]]
                    for x in range(self.size[v]):
                        total[x] += line[x] - self.given[self.given_at[e, 1] + x]
                else:
                    self.least(e, 0)
                    self.rest(e, 0)
                    for x in range(self.size[v]):
                        total[x] += self.row[x]
            best = 0
            for x in range(self.size[v]):
                if total[x] < total[best]:
                    best = x
            states[v] = <int>best


def restrict(const int[::1] size, const long long[::1] cost_at, const int[:, ::1] ends, const long long[::1] table_at,
             const double[::1] entries, const long long[::1] keep_starts, const int[::1] keep,
             const long long[::1] cost_to, const long long[::1] table_to, double[::1] target):
    """Copy the costs and tables of a graph over some states of every variable.

    The states of variable `v` are `keep[keep_starts[v]:keep_starts[v + 1]]`; costs go to `target[cost_to[v]]` and on,
    tables to `target[table_to[e]]` and on.
    """
    cdef index v, e, a, b, i, j, at
    cdef const double *line
    for v in range(size.shape[0]):
        for a in range(keep_starts[v], keep_starts[v + 1]):
            target[cost_to[v] + a - keep_starts[v]] = entries[cost_at[v] + keep[a]]
    for e in range(ends.shape[0]):
        i, j, at = ends[e, 0], ends[e, 1], table_to[e]
        for a in range(keep_starts[i], keep_starts[i + 1]):
            line = &entries[table_at[e] + keep[a] * size[j]]
            for b in range(keep_starts[j], keep_starts[j + 1]):
                target[at] = line[keep[b]]
                at += 1


def supported(const int[::1] size, const long long[::1] cost_at, const int[:, ::1] ends,
              const long long[::1] table_at, const double[::1] entries, const long long[::1] near_starts,
              const int[::1] near, const long long[::1] mark_at, char[::1] alive):
    """Arc consistency: clear in `alive` (a mark per state) all states without a finite partner in some table."""
    cdef index n = size.shape[0], m = ends.shape[0], e, k, x, y, i, j, head = 0, count = m, f
    todo_array = np.arange(m + 1, dtype=np.intc)
    waiting_array = np.ones(m + 1, dtype=np.int8)
    cdef int[::1] todo = todo_array
    cdef signed char[::1] waiting = waiting_array
    cdef const double *table
    cdef char *left
    cdef char *right
    cdef int side, v
    cdef bint found, changed
    for v in range(n):
        for x in range(size[v]):
            if entries[cost_at[v] + x] == INFINITY:
                alive[mark_at[v] + x] = 0
    while count:
        e = todo[head]
        head = (head + 1) % (m + 1)
        count -= 1
        waiting[e] = 0
        i, j = ends[e, 0], ends[e, 1]
        table, left, right = &entries[table_at[e]], &alive[mark_at[i]], &alive[mark_at[j]]
        for side in range(2):
            changed = False
            if side == 0:
                for x in range(size[i]):
                    if left[x]:
                        found = False
                        for y in range(size[j]):
                            if right[y] and table[x * size[j] + y] != INFINITY:
                                found = True
                                break
                        if not found:
                            left[x], changed = 0, True
            else:
                for y in range(size[j]):
                    if right[y]:
                        found = False
                        for x in range(size[i]):
                            if left[x] and table[x * size[j] + y] != INFINITY:
                                found = True
                                break
                        if not found:
                            right[y], changed = 0, True
            if changed:
                v = <int>(i if side == 0 else j)
                for k in range(near_starts[v], near_starts[v + 1]):
                    f = near[k]
                    if not waiting[f]:
                        waiting[f] = 1
                        todo[(head + count) % (m + 1)] = <int>f
                        count += 1
