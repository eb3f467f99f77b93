#ifndef WEIR_TEST_FAKE_STREAM_H
#define WEIR_TEST_FAKE_STREAM_H
/* The reading half of stream/stream.h over records in memory, so that a test sets append times,
 * gaps and retention at will. */
#include "stream/stream.h"

struct stream *fake_stream_new(const char *name, uint32_t partitions);
void fake_stream_free(struct stream *s);
/* Copies; returns the offset. */
uint64_t fake_stream_add(struct stream *s, uint32_t partition, unix_ms time, struct slice key,
                         struct slice headers, struct slice value);
/* The n-th record of a partition, as a consumer would be handed it. */
struct stream_record fake_stream_record(const struct stream *s, uint32_t partition,
                                        uint64_t offset);
void fake_stream_retain(struct stream *s, uint32_t partition, uint64_t oldest);
uint64_t fake_stream_reads(const struct stream *s); /* records read through readers */
#endif
