# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, freethreading_compatible=True
"""Min-sum bucket elimination over flat arrays; `elimination.py` and `sensitivity.py` say what it is for.

A step gathers the tables that mention a variable, adds them up over the variable and its neighbours, and minimises the
variable out.  Neighbours are ordered by when they go, the next to go last: `u` below is that last one.  A message is
stored with its last two axes exchanged, so that the step that reads it runs along memory.
"""

from libc.math cimport INFINITY, isfinite
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

import numpy as np

cdef enum:
    MOST_AXES = 64
    KEPT = 1024  # entries of a message up to which it is kept for the way back; above, argmins are

ctypedef Py_ssize_t index


cdef struct Table:
    const double *data
    index *stride  # per neighbour, then of the variable
    index offset


cdef class _Forward:
    """The steps forward, and the way back to states.

    Variables with one state have no axis anywhere: tables with them count as tables of their partners.
    """

    cdef const int[::1] size
    cdef const long long[::1] cost_at
    cdef const int[:, ::1] ends
    cdef const long long[::1] table_at
    cdef const double[::1] entries
    cdef const int[::1] order
    cdef int count
    cdef readonly int done
    cdef readonly double constant  # sum of all that has no variable left
    cdef bint keep_all
    cdef int *position
    cdef index *edge_start
    cdef int *edge_list
    cdef int *child_first
    cdef int *child_next
    cdef int *scope_length
    cdef index *scope_at
    cdef int *scopes
    cdef index scopes_used
    cdef index scopes_room
    cdef double **message
    cdef unsigned short **argmin
    # The step at hand.
    cdef int axes[MOST_AXES]
    cdef index length[MOST_AXES + 1]
    cdef int width
    cdef int *slot
    cdef Table *tables
    cdef int table_count
    cdef int table_room
    cdef index *strides
    cdef index strides_room
    cdef double *rows
    cdef index rows_room

    def __cinit__(self, const int[::1] size, const long long[::1] cost_at, const int[:, ::1] ends,
                  const long long[::1] table_at, const double[::1] entries, const int[::1] order, bint keep_all):
        cdef int v
        self.size, self.cost_at, self.ends, self.table_at = size, cost_at, ends, table_at
        self.entries, self.order, self.keep_all = entries, order, keep_all
        self.count, self.done, self.constant = <int>size.shape[0], 0, 0.0
        self.position = <int *>malloc((self.count + 1) * sizeof(int))
        self.edge_start = <index *>calloc(self.count + 2, sizeof(index))
        self.edge_list = <int *>malloc((ends.shape[0] + 1) * sizeof(int))
        self.child_first = <int *>malloc((self.count + 1) * sizeof(int))
        self.child_next = <int *>malloc((self.count + 1) * sizeof(int))
        self.scope_length = <int *>calloc(self.count + 1, sizeof(int))
        self.scope_at = <index *>calloc(self.count + 1, sizeof(index))
        self.scopes_room = 2 * self.count + 16
        self.scopes = <int *>malloc(self.scopes_room * sizeof(int))
        self.message = <double **>calloc(self.count + 1, sizeof(double *))
        self.argmin = <unsigned short **>calloc(self.count + 1, sizeof(unsigned short *))
        self.slot = <int *>malloc((self.count + 1) * sizeof(int))
        if not (self.position and self.edge_start and self.edge_list and self.child_first and self.child_next
                and self.scope_length and self.scope_at and self.scopes and self.message and self.argmin and self.slot):
            raise MemoryError
        for v in range(self.count):
            self.position[order[v]] = v
            self.child_first[v] = self.slot[v] = -1
        self._fill()

    def __dealloc__(self):
        cdef int v
        for v in range(self.count):
            if self.message:
                free(self.message[v])
            if self.argmin:
                free(self.argmin[v])
        free(self.position)
        free(self.edge_start)
        free(self.edge_list)
        free(self.child_first)
        free(self.child_next)
        free(self.scope_length)
        free(self.scope_at)
        free(self.scopes)
        free(self.message)
        free(self.argmin)
        free(self.slot)
        free(self.tables)
        free(self.strides)
        free(self.rows)

    cdef int bucket(self, index e) noexcept:
        """The variable whose step reads an edge's table: the one that goes first; -1 for a plain number."""
        cdef int i = self.ends[e, 0], j = self.ends[e, 1]
        if self.size[i] == 1 and self.size[j] == 1:
            return -1
        if self.size[j] == 1 or (self.size[i] > 1 and self.position[i] < self.position[j]):
            return i
        return j

    cdef int _fill(self) except -1:
        """Edges by bucket."""
        cdef index e, many = self.ends.shape[0]
        cdef int v
        for e in range(many):
            v = self.bucket(e)
            if v < 0:
                self.constant += self.entries[self.table_at[e]]
            else:
                self.edge_start[v + 2] += 1
        for v in range(self.count):
            self.edge_start[v + 2] += self.edge_start[v + 1]
        for e in range(many):
            v = self.bucket(e)
            if v >= 0:
                self.edge_list[self.edge_start[v + 1]] = <int>e
                self.edge_start[v + 1] += 1
        return 0

    cdef int other(self, int e, int v) noexcept:
        """The partner of `v` on an edge, -1 if it has one state only."""
        cdef int u = self.ends[e, 1] if self.ends[e, 0] == v else self.ends[e, 0]
        return u if self.size[u] > 1 else -1

    cdef int meet(self, int u) except -1:
        """Note a neighbour of the step's variable, the latest to go first."""
        cdef int k
        if self.slot[u] >= 0:
            return 0
        if self.width == MOST_AXES:
            raise ValueError("a table would have more than 64 axes")
        k = self.width
        self.slot[u] = 0
        while k > 0 and self.position[self.axes[k - 1]] < self.position[u]:
            self.axes[k] = self.axes[k - 1]
            k -= 1
        self.axes[k] = u
        self.width += 1
        return 0

    cdef Table *new_table(self, const double *data) noexcept:
        cdef Table *table = &self.tables[self.table_count]
        cdef int k
        table.data, table.offset = data, 0
        table.stride = &self.strides[self.table_count * (self.width + 1)]
        for k in range(self.width + 1):
            table.stride[k] = 0
        self.table_count += 1
        return table

    cdef int gather(self, int v) except -1:
        """Neighbours, lengths and tables of the step of `v`; its own costs are the first table."""
        cdef index k, step, many
        cdef int c, u, e
        cdef Table *table
        self.width, self.table_count = 0, 0
        many = 2 + self.edge_start[v + 1] - self.edge_start[v]  # its own costs, and what `back` adds
        for k in range(self.edge_start[v], self.edge_start[v + 1]):
            u = self.other(self.edge_list[k], v)
            if u >= 0:
                self.meet(u)
        c = self.child_first[v]
        while c >= 0:
            many += 1
            for k in range(self.scope_length[c]):
                u = self.scopes[self.scope_at[c] + k]
                if u != v:
                    self.meet(u)
            c = self.child_next[c]
        for k in range(self.width):
            self.slot[self.axes[k]] = <int>k
            self.length[k] = self.size[self.axes[k]]
        self.slot[v] = self.width
        self.length[self.width] = self.size[v]
        self.reserve(many)
        self.new_table(&self.entries[self.cost_at[v]]).stride[self.width] = 1
        for k in range(self.edge_start[v], self.edge_start[v + 1]):
            e = self.edge_list[k]
            table = self.new_table(&self.entries[self.table_at[e]])
            u = self.other(e, v)
            if u < 0:
                table.stride[self.width] = 1
            elif self.ends[e, 0] == v:
                table.stride[self.width], table.stride[self.slot[u]] = self.size[u], 1
            else:
                table.stride[self.width], table.stride[self.slot[u]] = 1, self.size[v]
        c = self.child_first[v]
        while c >= 0:
            self.lay_out(c, self.new_table(self.message[c]))
            c = self.child_next[c]
        return 0

    cdef int lay_out(self, int c, Table *table) noexcept:
        """Strides of a table that is stored as the message of `c`, over the axes of the step."""
        cdef index step = 1
        cdef int k, u
        for k in range(self.scope_length[c] - 1, -1, -1):
            u = self.scopes[self.scope_at[c] + k]
            table.stride[self.slot[u]] = step
            step *= self.size[u]
        return 0

    cdef int release(self, int v) noexcept:
        cdef int k
        for k in range(self.width):
            self.slot[self.axes[k]] = -1
        self.slot[v] = -1
        return 0

    cdef int reserve(self, index many) except -1:
        cdef void *grown
        if many > self.table_room:
            grown = realloc(self.tables, 2 * many * sizeof(Table))
            if not grown:
                raise MemoryError
            self.tables, self.table_room = <Table *>grown, <int>(2 * many)
        if many * (self.width + 1) > self.strides_room:
            grown = realloc(self.strides, 2 * many * (self.width + 1) * sizeof(index))
            if not grown:
                raise MemoryError
            self.strides, self.strides_room = <index *>grown, 2 * many * (self.width + 1)
        return 0

    cdef double *scratch(self, index many) except NULL:
        cdef void *grown
        if many > self.rows_room:
            grown = realloc(self.rows, 2 * many * sizeof(double))
            if not grown:
                raise MemoryError
            self.rows, self.rows_room = <double *>grown, 2 * many
        return self.rows

    cdef int store_scope(self, int v) except -1:
        """Remember the neighbours of `v`: the last two exchanged."""
        cdef int k, last = self.width - 1
        cdef void *grown
        if self.scopes_used + self.width > self.scopes_room:
            self.scopes_room = 2 * (self.scopes_used + self.width)
            grown = realloc(self.scopes, self.scopes_room * sizeof(int))
            if not grown:
                raise MemoryError
            self.scopes = <int *>grown
        self.scope_at[v], self.scope_length[v] = self.scopes_used, self.width
        for k in range(self.width):
            self.scopes[self.scopes_used + k] = self.axes[k]
        if self.width > 1:
            self.scopes[self.scopes_used + last] = self.axes[last - 1]
            self.scopes[self.scopes_used + last - 1] = self.axes[last]
        self.scopes_used += self.width
        return 0

    cdef bint large_child(self, int v) noexcept:
        cdef int c = self.child_first[v]
        while c >= 0:
            if self.entries_of(c) > KEPT:
                return True
            c = self.child_next[c]
        return False

    cdef index entries_of(self, int c) noexcept:
        cdef index total = 1
        cdef int k
        for k in range(self.scope_length[c]):
            total *= self.size[self.scopes[self.scope_at[c] + k]]
        return total

    def forward(self, int until):
        """Eliminate the variables up to the `until`-th of the order."""
        while self.done < until:
            self.step(self.order[self.done])
            self.done += 1

    cdef int step(self, int v) except -1:
        cdef index total = 1
        cdef int k, c
        cdef bint large
        self.gather(v)
        self.store_scope(v)
        total = self.entries_of(v)
        self.message[v] = <double *>malloc(total * sizeof(double))
        if not self.message[v]:
            raise MemoryError
        large = not self.keep_all and (total > KEPT or self.large_child(v))
        if large:
            self.argmin[v] = <unsigned short *>malloc(total * sizeof(unsigned short))
            if not self.argmin[v]:
                raise MemoryError
        self.minimise(v)
        if large:
            c = self.child_first[v]
            while c >= 0:
                if self.entries_of(c) > KEPT:
                    free(self.message[c])
                    self.message[c] = NULL
                c = self.child_next[c]
        if self.width:
            k = self.axes[self.width - 1]
            self.child_next[v] = self.child_first[k]
            self.child_first[k] = v
        else:
            self.constant += self.message[v][0]
        self.release(v)
        return 0

    cdef int minimise(self, int v) except -1:
        """Fill the message of `v` (and its argmins where they are kept)."""
        cdef int outer = self.width - 1 if self.width else 0, t, plain = 0, mixed = 0, k
        cdef index states = self.size[v], many = self.length[self.width - 1] if self.width else 1
        cdef index x, y, along, cells = 1, cell, out = 0
        cdef index at[MOST_AXES]
        cdef index out_stride[MOST_AXES]
        cdef double *scratch = self.scratch(states * many + states + 3 * many)
        cdef double *fixed = scratch
        cdef double *column = fixed + states * many
        cdef double *best = column + states
        cdef double *sums = best + many
        cdef double *first = sums + many
        cdef const double *row
        cdef double add, xd, one
        cdef unsigned short *argmin = self.argmin[v]
        cdef double *message = self.message[v]
        cdef Table table
        self.out_strides(v, out_stride)
        for k in range(outer):
            cells *= self.length[k]
            at[k] = 0
        for x in range(states * many):
            fixed[x] = 0.0
        # Tables that do not depend on the outer axes are added up once. The others are put in front: first those
        # without `u`, then those with it.
        t = 0
        while t < self.table_count:
            table = self.tables[t]
            if self.is_outer(&table, outer):
                t += 1
                continue
            along = table.stride[self.width - 1] if self.width else 0
            for x in range(states):
                row = table.data + x * table.stride[self.width]
                for y in range(many):
                    fixed[x * many + y] += row[y * along]
            self.table_count -= 1
            self.tables[t] = self.tables[self.table_count]
        for t in range(self.table_count):
            if self.tables[t].stride[outer] == 0:
                table = self.tables[plain]
                self.tables[plain] = self.tables[t]
                self.tables[t] = table
                plain += 1
        mixed = self.table_count - plain
        for cell in range(cells):
            for x in range(states):
                add = 0.0
                for t in range(plain):
                    add += self.tables[t].data[self.tables[t].offset + x * self.tables[t].stride[self.width]]
                column[x] = add
            for y in range(many):
                best[y] = INFINITY
                first[y] = 0.0
            for x in range(states):
                add, xd = column[x], <double>x
                row = fixed + x * many
                for y in range(many):
                    sums[y] = row[y] + add
                for t in range(plain, self.table_count):
                    row = self.tables[t].data + self.tables[t].offset + x * self.tables[t].stride[self.width]
                    along = self.tables[t].stride[outer]
                    if along == 1:
                        for y in range(many):
                            sums[y] += row[y]
                    else:
                        for y in range(many):
                            sums[y] += row[y * along]
                if argmin:
                    for y in range(many):
                        first[y] = xd if sums[y] < best[y] else first[y]
                for y in range(many):
                    best[y] = sums[y] if sums[y] < best[y] else best[y]
            along = out_stride[outer] if self.width else 0
            for y in range(many):
                message[out + y * along] = best[y]
            if argmin:
                for y in range(many):
                    argmin[out + y * along] = <unsigned short>first[y]
            for k in range(outer - 1, -1, -1):
                at[k] += 1
                out += out_stride[k]
                for t in range(self.table_count):
                    self.tables[t].offset += self.tables[t].stride[k]
                if at[k] < self.length[k]:
                    break
                out -= at[k] * out_stride[k]
                for t in range(self.table_count):
                    self.tables[t].offset -= at[k] * self.tables[t].stride[k]
                at[k] = 0
        return 0

    cdef bint is_outer(self, Table *table, int outer) noexcept:
        cdef int k
        for k in range(outer):
            if table.stride[k]:
                return True
        return False

    cdef int out_strides(self, int v, index *strides) noexcept:
        """Strides of the message of `v` over its axes."""
        cdef index step = 1
        cdef int k, last = self.width - 1, axis
        for k in range(last, -1, -1):
            axis = k
            if last > 0 and k >= last - 1:
                axis = last + last - 1 - k
            strides[axis] = step
            step *= self.length[axis]
        return 0

    def residual(self):
        """Tables over variables not yet eliminated that the steps left: (variables, array) each."""
        found = []
        cdef int v, c, k
        cdef double[::1] data
        for k in range(self.done):
            c = self.order[k]
            if self.scope_length[c] and self.waits(c):
                scope = tuple([self.scopes[self.scope_at[c] + v] for v in range(self.scope_length[c])])
                table = np.empty(self.entries_of(c))
                data = table
                memcpy(&data[0], self.message[c], table.nbytes)
                found.append((scope, table.reshape([self.size[v] for v in scope])))
        return found

    cdef bint waits(self, int c) noexcept:
        """Whether the message of `c` was not read yet."""
        cdef int k
        for k in range(self.scope_length[c]):
            if self.position[self.scopes[self.scope_at[c] + k]] < self.done:
                return False
        return True

    def decode(self, int[::1] states):
        """Best states of the eliminated variables, given those of the others; the first ones of equals."""
        cdef int k, v, t, j
        cdef index x, where, best
        cdef double least, total
        for k in range(self.done - 1, -1, -1):
            v = self.order[k]
            if self.argmin[v]:
                where = 0
                for j in range(self.scope_length[v]):
                    t = self.scopes[self.scope_at[v] + j]
                    where = where * self.size[t] + states[t]
                states[v] = self.argmin[v][where]
                continue
            self.gather(v)
            least, best = INFINITY, 0
            for x in range(self.size[v]):
                total = 0.0
                for t in range(self.table_count):
                    where = x * self.tables[t].stride[self.width]
                    for j in range(self.width):
                        where += states[self.axes[j]] * self.tables[t].stride[j]
                    total += self.tables[t].data[where]
                if total < least:
                    least, best = total, x
            states[v] = <int>best
            self.release(v)


include "_minsum_back.pxi"
