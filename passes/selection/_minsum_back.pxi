# Part of `_minsum.pyx`.


cdef class BucketTree(_Forward):
    """Elimination of some or all variables of a graph, and the ways back: to states, and to min-marginals.

    The latter need all messages to be kept.
    """

    def marginals(self):
        """Of every variable and state the least objective with it, one after another.

        All variables must have been eliminated with all messages kept.  Going back, each step hands its
        neighbours in the tree what the rest of the graph adds: its own sum without their message.
        """
        cdef double **down = <double **>calloc(self.count + 1, sizeof(double *))
        cdef long long[::1] starts = np.concatenate([[0], np.cumsum(self.size)]).astype(np.int64)
        result = np.full(starts[self.count], np.inf)
        cdef double[::1] marginal = result
        cdef int k
        if not down:
            raise MemoryError
        try:
            for k in range(self.done - 1, -1, -1):
                self.back(self.order[k], down, &marginal[starts[self.order[k]]])
        finally:
            for k in range(self.count):
                free(down[k])
            free(down)
        return result

    cdef int back(self, int v, double **down, double *marginal) except -1:
        """The marginal of `v`, and what goes down to the steps before."""
        cdef int c, t, k, reads, outer
        cdef index cells = 1, cell, x, y, states = self.size[v], many, along
        cdef index at[MOST_AXES]
        cdef double rest = 0.0, least, add
        cdef double *sums
        cdef double *target
        cdef const double *row
        self.gather(v)
        reads = self.first_child_table(v, self.table_count)
        if self.width:
            self.lay_out(v, self.new_table(down[v]))
        else:
            rest = self.constant - self.message[v][0]
        self.open_children(v, down)
        outer = self.width - 1 if self.width else 0
        many = self.length[outer] if self.width else 1
        sums = self.scratch(many)
        for k in range(outer):
            cells *= self.length[k]
            at[k] = 0
        for cell in range(cells):
            for x in range(states):
                for y in range(many):
                    sums[y] = rest
                for t in range(self.table_count):
                    row = self.tables[t].data + self.tables[t].offset + x * self.tables[t].stride[self.width]
                    along = self.tables[t].stride[outer] if self.width else 0
                    if along == 1:
                        for y in range(many):
                            sums[y] += row[y]
                    elif along == 0:
                        add = row[0]
                        for y in range(many):
                            sums[y] += add
                    else:
                        for y in range(many):
                            sums[y] += row[y * along]
                least = INFINITY
                for y in range(many):
                    least = sums[y] if sums[y] < least else least
                marginal[x] = least if least < marginal[x] else marginal[x]
                t, c = reads, self.child_first[v]
                while c >= 0:
                    target = down[c] + self.tables[t].offset + x * self.tables[t].stride[self.width]
                    along = self.tables[t].stride[outer] if self.width else 0
                    if along == 0:
                        target[0] = least if least < target[0] else target[0]
                    elif along == 1:
                        for y in range(many):
                            target[y] = sums[y] if sums[y] < target[y] else target[y]
                    else:
                        for y in range(many):
                            if sums[y] < target[y * along]:
                                target[y * along] = sums[y]
                    t += 1
                    c = self.child_next[c]
            self.advance(at, outer)
        self.close_children(v, down)
        free(down[v])
        down[v] = NULL
        self.release(v)
        return 0

    cdef int advance(self, index *at, int outer) noexcept:
        """Move all tables to the next cell of the outer axes."""
        cdef int k, t
        for k in range(outer - 1, -1, -1):
            at[k] += 1
            for t in range(self.table_count):
                self.tables[t].offset += self.tables[t].stride[k]
            if at[k] < self.length[k]:
                return 0
            for t in range(self.table_count):
                self.tables[t].offset -= at[k] * self.tables[t].stride[k]
            at[k] = 0
        return 0

    cdef int open_children(self, int v, double **down) except -1:
        """Room for what goes down from `v`: no assignment seen yet."""
        cdef int c = self.child_first[v]
        cdef index x, many
        while c >= 0:
            many = self.entries_of(c)
            down[c] = <double *>malloc(many * sizeof(double))
            if not down[c]:
                raise MemoryError
            for x in range(many):
                down[c][x] = INFINITY
            c = self.child_next[c]
        return 0

    cdef int close_children(self, int v, double **down) noexcept:
        """Take off what the children told themselves."""
        cdef int c = self.child_first[v]
        cdef index x
        while c >= 0:
            for x in range(self.entries_of(c)):
                # Where the message is infinite the step's own tables forbid the state: anything may stand there.
                down[c][x] = down[c][x] - self.message[c][x] if isfinite(self.message[c][x]) else 0.0
            c = self.child_next[c]
        return 0

    cdef int first_child_table(self, int v, int mine) noexcept:
        """Where the messages of the children stand among the tables: they came last."""
        cdef int c = self.child_first[v]
        while c >= 0:
            mine -= 1
            c = self.child_next[c]
        return mine
