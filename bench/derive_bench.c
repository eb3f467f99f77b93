/* WHAT: what it costs to derive from a page's URL and its referrer where the visitor comes from and
 * how the page is called: CPU time per event, the least of several rounds (others on the machine
 * can only make it more). The goal is below 500 ns for all of it. */
#include <stdio.h>
#include <time.h>

#include "analytics/projector/project_int.h"
#include "analytics/event/page.h"
#include "base/must.h"

enum { ROUNDS = 20, TIMES = 200000 };

struct sample {
    const char *name;
    struct slice url, referrer;
};
static struct arena scratch;

static void derive(const struct sample *e)
{
    struct acquisition_query query;
    struct acquisition out;
    arena_reset(&scratch);
    struct project_url url = project_url_split(e->url);
    struct slice path = page_path_normal(url.path, &scratch);
    acquisition_query_read(url.query, &scratch, &query);
    const struct acquisition_in in = {.query = &query,
                                      .referrer = e->referrer,
                                      .hostname = project_url_host(url.host, &scratch),
                                      .is_page = true};
    acquisition_derive(&in, &scratch, &out);
    struct slice screen = page_screen_class(1440);
    __asm__ volatile("" : : "r"(&out), "r"(&path), "r"(&screen) : "memory"); /* it is used */
}

static double ns_of(const struct sample *samples, size_t count)
{
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        for (size_t i = 0, k = 0; i < TIMES; i++, k = k + 1 < count ? k + 1 : 0)
            derive(&samples[k]);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / TIMES;
        least = ns < least ? ns : least;
    }
    return least;
}

int main(void)
{
    static const struct sample samples[] = {
        {"a page of the site, from the site",
         SLICE_CONST("https://shop.example.com/products/blue-shoes"),
         SLICE_CONST("https://shop.example.com/products")},
        {"nothing told", SLICE_CONST("https://www.example.com/pricing"), SLICE_CONST("")},
        {"from a search engine", SLICE_CONST("https://www.example.com/blog/a-long-title-of-a-post"),
         SLICE_CONST("https://www.google.co.uk/")},
        {"from a site nobody knows", SLICE_CONST("https://www.example.com/docs/install/"),
         SLICE_CONST("https://some.blog.example.org/2026/11/")},
        {"a paid click with tags",
         SLICE_CONST("https://www.example.com/landing?utm_source=google&utm_medium=cpc&"
                     "utm_campaign=autumn%20sale&utm_term=blue+shoes&utm_content=b&"
                     "gclid=Cj0KCQiAgomBBhDXARIsAFNyUqP1"),
         SLICE_CONST("https://www.google.com/")},
        {"a query of the site's own",
         SLICE_CONST("https://www.example.com/search?q=shoes&page=2&sort=price&size=42&color=blue"),
         SLICE_CONST("https://www.example.com/")},
        {"an odd path", SLICE_CONST("https://www.example.com//caf%C3%A9/%7euser/a%20b/"),
         SLICE_CONST("https://t.co/abc")},
    };
    arena_init(&scratch, 64 * 1024, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(samples); i++)
        printf("%-36s %6.0f ns\n", samples[i].name, ns_of(&samples[i], 1));
    printf("%-36s %6.0f ns\n", "all of them in turn", ns_of(samples, COUNT_OF(samples)));
    arena_done(&scratch);
    return 0;
}
