#ifndef WEIR_TESTS_MMDB_MAKE_H
#define WEIR_TESTS_MMDB_MAKE_H
/* Makes small MMDB files for tests: networks with JSON as their records. A text that occurred
 * before is written as a pointer to it, as real files have it. */
#include "base/buf.h"

enum { MMDB_MAKE_NODES_MAX = 20000, MMDB_MAKE_TEXTS_MAX = 256 };
struct mmdb_make {
    unsigned ip_version, record_bits;
    uint64_t nodes[MMDB_MAKE_NODES_MAX]
                  [2]; /* 0: nothing; odd: 2 * node + 1; even: 2 * offset + 2 */
    uint32_t node_count;
    uint32_t told_count; /* what the metadata says instead; 0 = the truth */
    struct buf data;
    struct {
        char text[64];
        uint32_t at;
    } texts[MMDB_MAKE_TEXTS_MAX];
    uint32_t text_count;
};
void mmdb_make_init(struct mmdb_make *m, unsigned ip_version, unsigned record_bits);
/* "88.198.0.0/16", "2a01:4f8::/32". */
void mmdb_make_put(struct mmdb_make *m, const char *network, const char *json);
void mmdb_make_finish(struct mmdb_make *m, struct buf *out); /* m is done with */
#endif
