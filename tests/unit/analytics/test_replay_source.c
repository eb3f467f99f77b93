/* Two sources behind one another, over fakes: each offset once, in order, whatever the newer one
 * loses of its beginning while it is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "analytics/replay/replay.h"

struct fake {
    uint64_t first, next, at; /* has [first, next) */
    struct fake *loses;       /* of this one the first `lost` go at its offset `when` */
    uint64_t when, lost;
};

static enum rc fake_bounds(void *ctx, uint32_t partition, uint64_t *ret_first, uint64_t *ret_next,
                           struct err *err)
{
    struct fake *f = ctx;
    (void)partition, (void)err;
    *ret_first = f->first;
    *ret_next = f->next;
    return f->first == f->next ? RC_NOTFOUND : RC_OK;
}

static enum rc fake_seek(void *ctx, uint32_t partition, uint64_t offset, struct err *err)
{
    struct fake *f = ctx;
    (void)partition, (void)err;
    f->at = offset;
    return RC_OK;
}

static enum rc fake_next(void *ctx, struct stream_record *ret, struct err *err)
{
    struct fake *f = ctx;
    (void)err;
    if (f->loses && f->at == f->when)
        f->loses->first = f->lost;
    if (f->at < f->first)
        f->at = f->first;
    if (f->at >= f->next)
        return RC_END;
    *ret = (struct stream_record){.offset = f->at++};
    return RC_OK;
}

static void fake_close(void *ctx)
{
    (void)ctx;
}

static const struct replay_source_ops fake_ops = {.name = "fake",
                                                  .bounds = fake_bounds,
                                                  .seek = fake_seek,
                                                  .next = fake_next,
                                                  .close = fake_close};

/* Reads from `from` to the end; how many offsets of [from, to) did not come. */
static uint64_t missing(struct fake *older, struct fake *newer, uint64_t from, uint64_t to)
{
    struct replay_source both;
    struct stream_record record;
    uint64_t wanted = from, gone = 0;
    enum rc rc;
    assert_int_equal(replay_source_joined((struct replay_source){&fake_ops, older},
                                          (struct replay_source){&fake_ops, newer}, &both, NULL),
                     RC_OK);
    assert_int_equal(both.ops->seek(both.ctx, 0, from, NULL), RC_OK);
    while ((rc = both.ops->next(both.ctx, &record, NULL)) == RC_OK) {
        assert_true(record.offset >= wanted); /* once, in order */
        gone += record.offset - wanted;
        wanted = record.offset + 1;
    }
    assert_int_equal(rc, RC_END);
    assert_int_equal(wanted, to);
    replay_source_close(&both);
    return gone;
}

static void nothing_is_lost_between_the_two(void **state)
{
    (void)state;
    struct fake older = {.first = 0, .next = 80}, newer = {.first = 50, .next = 100};
    assert_int_equal(missing(&older, &newer, 0, 100), 0);
    assert_int_equal(missing(&older, &newer, 60, 100), 0);
    newer.first = newer.next = 0; /* nothing at all */
    assert_int_equal(missing(&older, &newer, 0, 80), 0);
}

static void what_newer_loses_before_it_is_reached_comes_from_older(void **state)
{
    (void)state;
    struct fake newer = {.first = 50, .next = 100};
    struct fake older = {.first = 0, .next = 80, .loses = &newer, .when = 30, .lost = 70};
    assert_int_equal(missing(&older, &newer, 0, 100), 0);
    assert_int_equal(newer.first, 70);
}

static void what_newer_loses_while_it_is_read_comes_from_older(void **state)
{
    (void)state;
    struct fake older = {.first = 0, .next = 80}, newer = {.first = 50, .next = 100};
    newer.loses = &newer;
    newer.when = 60;
    newer.lost = 75;
    assert_int_equal(missing(&older, &newer, 0, 100), 0);
    assert_int_equal(newer.first, 75);
}

static void what_nobody_has_is_a_gap(void **state)
{
    (void)state;
    struct fake older = {.first = 0, .next = 40}, newer = {.first = 50, .next = 100};
    assert_int_equal(missing(&older, &newer, 0, 100), 10);
    newer = (struct fake){.first = 40, .next = 100, .loses = &newer, .when = 60, .lost = 75};
    assert_int_equal(missing(&older, &newer, 0, 100), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_between_the_two),
        cmocka_unit_test(what_newer_loses_before_it_is_reached_comes_from_older),
        cmocka_unit_test(what_newer_loses_while_it_is_read_comes_from_older),
        cmocka_unit_test(what_nobody_has_is_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
