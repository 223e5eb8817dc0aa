/* Dynamic split of an op: each thread takes the chunks of its own static share, front to back, and then those that are
 * left of the others' shares, from their ends.
 *
 * So rows stay with the core that wrote them as long as all threads run alike, and a thread whose core was taken away
 * holds up the others by one chunk, not by the rest of its share.  A chunk is whole results: who computes it changes
 * nothing in what is computed.
 *
 * Each thread has a word that says which chunks of its share are left.  The words belong to the run (a plan is shared
 * by its callers) and need no clearing between ops: a word carries the number of the op that it was last used in, and
 * whoever comes first, owner or thief, starts it anew.  Every op uses every word (its owner looks there first), so no
 * older number is ever found. */
#ifndef PLAIT_CHUNKS_H
#define PLAIT_CHUNKS_H

#include <stdatomic.h>
#include <stdint.h>

/* Fewer chunks than these in a share are not worth stealing: what is stolen is far from the thief's cache. */
enum { WORTHWHILE_CHUNKS = 4, CHUNK_BITS = 24, MOST_CHUNKS = (1 << CHUNK_BITS) - 1 };

/* A thread's line in what the base BASE_CLAIMS points to: zero at the start of a run. */
struct claim {
    _Alignas(64) _Atomic uint64_t left; /* op number << 48 | first << 24 | end */
    uint64_t ops;                       /* dynamic ops begun, read and written by the owner alone */
};

struct chunks {
    struct claim *claims; /* NULL: the own share only */
    int tid, nthreads, owner;
    uint64_t fresh; /* the word of a share of which nothing has been taken */
    int64_t next, count;
};

/* Every thread calls this once in the op, with the same `count`: the most chunks that any share has. */
static inline struct chunks chunks_begin(void *claims, int tid, int nthreads, int64_t count)
{
    struct chunks c = {.tid = tid, .nthreads = nthreads, .owner = tid, .count = count};
    if (claims && nthreads > 1 && count >= WORTHWHILE_CHUNKS && count <= MOST_CHUNKS) {
        c.claims = claims;
        c.fresh = ++c.claims[tid].ops << 2 * CHUNK_BITS | (uint64_t)count;
    }
    return c;
}

/* One chunk of the share of c->owner, or -1. */
static inline int64_t chunk_of_owner(struct chunks *c)
{
    _Atomic uint64_t *word = &c->claims[c->owner].left;
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    for (;;) {
        uint64_t now = (seen ^ c->fresh) >> 2 * CHUNK_BITS ? c->fresh : seen;
        int64_t first = now >> CHUNK_BITS & MOST_CHUNKS, end = now & MOST_CHUNKS;
        if (first == end && now == seen)
            return -1;
        uint64_t taken = first == end ? now : c->owner == c->tid ? now + (1ull << CHUNK_BITS) : now - 1;
        /* Relaxed: only who takes what is decided here; data are handed over by the barriers around the op. */
        if (atomic_compare_exchange_weak_explicit(word, &seen, taken, memory_order_relaxed, memory_order_relaxed))
            return first == end ? -1 : c->owner == c->tid ? first : end - 1;
    }
}

/* The next chunk for this thread: a number in [0, count) of the share of c->owner; -1: none is left. */
static inline int64_t chunk_take(struct chunks *c)
{
    if (!c->claims)
        return c->next < c->count ? c->next++ : -1;
    for (int tries = 0; tries < c->nthreads; tries++) {
        int64_t chunk = chunk_of_owner(c);
        if (chunk >= 0)
            return chunk;
        c->owner = (c->owner + 1) % c->nthreads;
    }
    return -1;
}

#endif
