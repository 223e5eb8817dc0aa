# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, freethreading_compatible=True
"""Greedy elimination orders over plain arrays; `ordering.py` says what they are for."""

from libc.math cimport INFINITY, exp2
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove

import numpy as np

cdef enum:
    DENSE = 48
    LARGEST_LEFT = 14  # log2


cdef struct Entry:
    double score
    double second
    int variable


cdef class _Greedy:
    """Neighbour lists (ascending) that shrink as variables go, scores, and a heap of them."""

    cdef int count
    cdef int **near
    cdef int *degree
    cdef int *room
    cdef double *size
    cdef double *score
    cdef double *second
    cdef char *gone
    cdef int *mark
    cdef int stamp
    cdef Entry *heap
    cdef Py_ssize_t length
    cdef Py_ssize_t space
    cdef bint fill
    cdef int most
    cdef unsigned long long noise

    def __cinit__(self, const double[::1] log_sizes, const long long[::1] starts, const int[::1] near, bint fill,
                  unsigned long long noise, int most):
        cdef int v, k, many
        self.count = <int>log_sizes.shape[0]
        self.fill, self.noise, self.most, self.stamp, self.length = fill, noise, most, 0, 0
        self.space = 2 * self.count + 16
        self.near = <int **>calloc(self.count + 1, sizeof(int *))
        self.degree = <int *>calloc(self.count + 1, sizeof(int))
        self.room = <int *>calloc(self.count + 1, sizeof(int))
        self.size = <double *>malloc((self.count + 1) * sizeof(double))
        self.score = <double *>malloc((self.count + 1) * sizeof(double))
        self.second = <double *>malloc((self.count + 1) * sizeof(double))
        self.gone = <char *>calloc(self.count + 1, sizeof(char))
        self.mark = <int *>calloc(self.count + 1, sizeof(int))
        self.heap = <Entry *>malloc(self.space * sizeof(Entry))
        if not (self.near and self.degree and self.room and self.size and self.score and self.second and self.gone
                and self.mark and self.heap):
            raise MemoryError
        for v in range(self.count):
            self.size[v] = log_sizes[v]
            many = <int>(starts[v + 1] - starts[v])
            self.reserve(v, many + 2)
            for k in range(many):
                self.near[v][k] = near[starts[v] + k]
            self.degree[v] = many

    def __dealloc__(self):
        cdef int v
        if self.near:
            for v in range(self.count):
                free(self.near[v])
        free(self.near)
        free(self.degree)
        free(self.room)
        free(self.size)
        free(self.score)
        free(self.second)
        free(self.gone)
        free(self.mark)
        free(self.heap)

    cdef int reserve(self, int v, int many) except -1:
        cdef int *grown
        if many > self.room[v]:
            grown = <int *>realloc(self.near[v], 2 * many * sizeof(int))
            if not grown:
                raise MemoryError
            self.near[v] = grown
            self.room[v] = 2 * many
        return 0

    cdef double table(self, int v) noexcept:
        """log2 of the entries of the table that eliminating `v` makes."""
        cdef double total = self.size[v]
        cdef int k
        for k in range(self.degree[v]):
            total += self.size[self.near[v][k]]
        return total

    cdef bint tied(self, int a, int b) noexcept:
        """Whether `b` is among the neighbours of `a`."""
        cdef int low = 0, high = self.degree[a], middle
        while low < high:
            middle = (low + high) // 2
            if self.near[a][middle] < b:
                low = middle + 1
            else:
                high = middle
        return low < self.degree[a] and self.near[a][low] == b

    cdef double new_ties(self, int v) noexcept:
        """Weight of the neighbour pairs that elimination would newly tie; of dense variables an estimate."""
        cdef double total = 0.0
        cdef int i, j, a, many = self.degree[v]
        if many > DENSE:
            total = self.table(v) - self.size[v]
            return total * total
        for i in range(many):
            a = self.near[v][i]
            for j in range(i + 1, many):
                if not self.tied(a, self.near[v][j]):
                    total += self.size[a] * self.size[self.near[v][j]]
        return total

    cdef double shake(self) noexcept:
        """A factor from 1 to 1.25 of a fixed sequence (splitmix64); 1 without noise."""
        cdef unsigned long long z
        if self.noise == 0:
            return 1.0
        self.noise += <unsigned long long>0x9E3779B97F4A7C15
        z = self.noise
        z = (z ^ (z >> 30)) * <unsigned long long>0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * <unsigned long long>0x94D049BB133111EB
        return 1.0 + 0.25 * (<double>((z ^ (z >> 31)) >> 11) / 9007199254740992.0)

    cdef int rate(self, int v) except -1:
        """Score a variable anew and put it on the heap; its older entries are stale."""
        cdef double table = self.table(v)
        if self.most >= 0:
            self.score[v], self.second[v] = self.degree[v], table
            if self.degree[v] > self.most or (self.degree[v] > 1 and table - self.size[v] > LARGEST_LEFT):
                self.score[v] = INFINITY
        elif self.fill:
            self.score[v], self.second[v] = self.new_ties(v) * self.shake(), table
        else:
            self.score[v], self.second[v] = table * self.shake(), 0.0
        return self.push(v)

    cdef int push(self, int v) except -1:
        cdef Entry entry
        cdef Entry *grown
        cdef Py_ssize_t hole = self.length, parent
        entry.score, entry.second, entry.variable = self.score[v], self.second[v], v
        if self.length == self.space:
            self.space *= 2
            grown = <Entry *>realloc(self.heap, self.space * sizeof(Entry))
            if not grown:
                raise MemoryError
            self.heap = grown
        self.length += 1
        while hole > 0:
            parent = (hole - 1) // 2
            if not before(entry, self.heap[parent]):
                break
            self.heap[hole] = self.heap[parent]
            hole = parent
        self.heap[hole] = entry
        return 0

    cdef Entry pop(self) noexcept:
        cdef Entry top = self.heap[0], last
        cdef Py_ssize_t hole = 0, child
        self.length -= 1
        last = self.heap[self.length]
        while True:
            child = 2 * hole + 1
            if child >= self.length:
                break
            if child + 1 < self.length and before(self.heap[child + 1], self.heap[child]):
                child += 1
            if not before(self.heap[child], last):
                break
            self.heap[hole] = self.heap[child]
            hole = child
        self.heap[hole] = last
        return top

    cdef int untie(self, int u, int v) noexcept:
        """Take `v` from the neighbours of `u`."""
        cdef int k = 0
        while self.near[u][k] != v:
            k += 1
        self.degree[u] -= 1
        memmove(&self.near[u][k], &self.near[u][k + 1], (self.degree[u] - k) * sizeof(int))
        return 0

    cdef int unite(self, int u, int *near, int many, int *scratch) except -1:
        """Add `near` (ascending) without `u` to the neighbours of `u`."""
        cdef int i = 0, j = 0, k = 0, x
        while i < self.degree[u] or j < many:
            if j == many or (i < self.degree[u] and self.near[u][i] <= near[j]):
                x = self.near[u][i]
                if j < many and near[j] == x:
                    j += 1
                i += 1
            else:
                x = near[j]
                j += 1
                if x == u:
                    continue
            scratch[k] = x
            k += 1
        if k != self.degree[u]:
            self.reserve(u, k)
            memcpy(self.near[u], scratch, k * sizeof(int))
            self.degree[u] = k
        return 0

    cdef int touch(self, int v, int *touched, int *found) noexcept:
        """Note a variable whose score may have changed."""
        if self.mark[v] != self.stamp:
            self.mark[v] = self.stamp
            touched[found[0]] = v
            found[0] += 1
        return 0

    cdef int remove(self, int v, int *touched, int *scratch) except -1:
        """Eliminate `v`; the number of variables whose score may have changed, listed in `touched`."""
        cdef int found = 0, k, j, u, many = self.degree[v], before_degree
        self.stamp += 1
        for k in range(many):
            u = self.near[v][k]
            self.untie(u, v)
            before_degree = self.degree[u]
            self.unite(u, self.near[v], many, scratch)
            self.touch(u, touched, &found)
            if self.fill and self.degree[u] != before_degree:
                for j in range(self.degree[u]):
                    self.touch(self.near[u][j], touched, &found)
        self.degree[v] = 0
        return found

    def run(self, double give_up):
        """(order, log2 of the table of each step, width); None once the tables together exceed 2^give_up.

        With a limit on neighbours the order ends where no variable keeps to it.
        """
        order, tables = np.empty(self.count, dtype=np.intc), np.empty(self.count)
        cdef int[::1] order_view = order
        cdef double[::1] tables_view = tables
        cdef int *touched = <int *>malloc((self.count + 1) * sizeof(int))
        cdef int *scratch = <int *>malloc((self.count + 1) * sizeof(int))
        cdef int v, k, many, width = 0
        cdef Py_ssize_t done = 0
        cdef double total = 0.0, most = exp2(give_up)
        cdef Entry entry
        try:
            if not (touched and scratch):
                raise MemoryError
            for v in range(self.count):
                self.rate(v)
            while done < self.count and total <= most:
                entry = self.pop()
                v = entry.variable
                if self.gone[v] or entry.score != self.score[v] or entry.second != self.second[v]:
                    continue
                if entry.score == INFINITY:
                    return order[:done], tables[:done], width
                self.gone[v] = 1
                order_view[done], tables_view[done] = v, self.table(v)
                total += exp2(tables_view[done])
                width = max(width, self.degree[v])
                done += 1
                many = self.remove(v, touched, scratch)
                for k in range(many):
                    if not self.gone[touched[k]]:
                        self.rate(touched[k])
        finally:
            free(touched)
            free(scratch)
        return None if done < self.count or total > most else (order, tables, width)


cdef inline bint before(Entry a, Entry b) noexcept:
    if a.score != b.score:
        return a.score < b.score
    if a.second != b.second:
        return a.second < b.second
    return a.variable < b.variable


def greedy(log_sizes, starts, near, *, fill=False, noise=0, give_up=INFINITY, most=-1):
    """Eliminate the variable of least score until none is left.

    `near[starts[v]:starts[v + 1]]` are the neighbours of `v`, ascending; the score is the size of the table
    or, with `fill`, the weight of new ties; `noise` seeds a perturbation of scores, 0 for none. With `most`, variables of
    fewest neighbours go first; those of more stay, and those of two that would leave a table of more than 2^14 entries.
    """
    return _Greedy(log_sizes, starts, near, fill, noise, most).run(give_up)
