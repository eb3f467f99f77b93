/* WHAT    What it costs to know who sent an event: weir-ua-bench [FILE, user agents one a line].
 *         JSON on stdout: making the rules, one parse, one look-up of what is remembered.
 * HOW     CPU time of the one thread, the least of several rounds: other work on the machine can
 *         only make it more. "cold" is a different user agent each time (of crawler-user-agents'
 *         kind if FILE says so, else phones and browsers made up here), "warm" the same few
 *         thousand again and again, in an order that the memory's list does not like. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "ua/ua.h"

enum { UAS_MAX = 4000, ROUNDS = 5, FILE_BYTES_MAX = 64 << 20, STEP = 1237 };
static struct {
    char made[UAS_MAX][200];
    struct slice uas[UAS_MAX];
    uint32_t count;
    struct ua_set *set;
    struct ua_parser *parser;
} b;

static const struct ua_hints hints = {
    .brands =
        SLICE_CONST("\"Not/A)Brand\";v=\"8\", \"Chromium\";v=\"126\", \"Google Chrome\";v=\"126\""),
    .platform = SLICE_CONST("\"Android\""),
    .platform_version = SLICE_CONST("\"14.0.0\""),
    .model = SLICE_CONST("\"SM-S918B\""),
    .mobile = SLICE_CONST("?1")};

static double us_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void make_uas(void)
{
    static const char *const shapes[] = {
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/%u.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android %u; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_%u like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/%u.0"};
    for (b.count = 0; b.count < UAS_MAX; b.count++) {
        char *to = b.made[b.count];
        const char *shape = shapes[b.count % COUNT_OF(shapes)];
        const char *mark = strstr(shape, "%u");
        snprintf(to, sizeof(b.made[0]), "%.*s%u%s", (int)(mark - shape), shape, b.count, mark + 2);
        b.uas[b.count] = slice_str(to);
    }
}

static void read_uas(const char *path, struct buf *file)
{
    struct err err = ERR_INIT;
    if (os_read_file(path, file, &err) != RC_OK) {
        fprintf(stderr, "weir-ua-bench: %s\n", err.text);
        exit(1);
    }
    struct slice rest = buf_slice(file);
    while (rest.len && b.count < UAS_MAX)
        b.uas[b.count++] = slice_cut(&rest, '\n');
}

static void parse_one(uint32_t i)
{
    struct ua_result r;
    ua_parse(b.parser, b.uas[i], NULL, &r);
}

static void parse_hinted(uint32_t i)
{
    struct ua_result r;
    ua_parse(b.parser, b.uas[i], &hints, &r);
}

static void look_up(uint32_t i)
{
    struct ua_result r;
    ua_lookup(b.parser, b.uas[(uint64_t)i * STEP % b.count], NULL, &r);
}

static void look_up_hinted(uint32_t i)
{
    struct ua_result r;
    ua_lookup(b.parser, b.uas[(uint64_t)i * STEP % b.count], &hints, &r);
}

static double us_of(void (*one)(uint32_t i))
{
    double least = 1e12;
    for (int round = 0; round < ROUNDS; round++) {
        double start = us_now();
        for (uint32_t i = 0; i < b.count; i++)
            one(i);
        double us = (us_now() - start) / b.count;
        least = us < least ? us : least;
    }
    return least;
}

static double worst_us(void)
{
    double worst = 0;
    for (uint32_t i = 0; i < b.count; i++) {
        double least = 1e12;
        for (int round = 0; round < ROUNDS; round++) {
            double start = us_now();
            parse_one(i);
            double us = us_now() - start;
            least = us < least ? us : least;
        }
        worst = least > worst ? least : worst;
    }
    return worst;
}

int main(int argc, char **argv)
{
    CLEANUP(buf_done) struct buf file;
    buf_init(&file, FILE_BYTES_MAX);
    if (argc > 1)
        read_uas(argv[1], &file);
    else
        make_uas();
    must(b.count > 0);
    double start = us_now();
    must(ua_set_new(&b.set) == RC_OK);
    printf("{\"user_agents\":%u,\"rules_ms\":%.1f,\"rules_mb\":%.1f,", b.count,
           (us_now() - start) / 1e3, (double)heap_bytes(HEAP_ANALYTICS) / 1e6);
    must(ua_parser_new(b.set, 8 << 20, &b.parser) == RC_OK);
    printf("\"cold_us\":%.2f,\"cold_with_hints_us\":%.2f,\"cold_worst_us\":%.1f,", us_of(parse_one),
           us_of(parse_hinted), worst_us());
    printf("\"warm_us\":%.3f,\"warm_with_hints_us\":%.3f,", us_of(look_up), us_of(look_up_hinted));
    printf("\"cache_mb\":%.2f}\n", (double)ua_parser_stats(b.parser).cache_bytes / 1e6);
    ua_parser_free(b.parser);
    ua_set_free(b.set);
    return 0;
}
