/* The proof that nothing of one request reaches another (docs/internals/context.md).
 *
 *   interleave  1,000 requests as step machines in an order drawn from a seed
 *   sweep       each kind of request killed at each of its steps: the client leaves, a time is up,
 *               an allocation fails; its neighbours must not notice and nothing may be left
 *   threads     eight worlds on eight threads that do each other's work, a million steps
 *
 * WEIR_TEST_SEED=N repeats a run (of one thread exactly), WEIR_TEST_STEPS changes the length of the
 * last. Exit code 1 on a finding. The same program over a base/ctx.c that was built with
 * WEIR_BUG_STALE_CTX must end so: that is a test as well. */
#include "world.h"

#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"

enum { REQUESTS = 1000, AT_ONCE = 50, THREADS = 8, STEPS = 1000000 };

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value;
    return text && slice_to_u64(slice_str(text), &value) ? value : otherwise;
}

static enum script any_script(struct world *w)
{
    enum { LARGE_SELDOM = 30 }; /* one costs as much as two hundred others */
    enum script script = (enum script)prng_below(&w->prng, SCRIPT_COUNT);
    bool is_alone = w->peer == w;
    return script == ASK_LARGE_BATCH && !is_alone && prng_below(&w->prng, LARGE_SELDOM) ? ASK_EVENT
                                                                                        : script;
}

/* ---- the log, caught ---- */

static FILE *log_file;
static int real_stderr;

static void catch_log(void)
{
    log_file = tmpfile();
    must(log_file);
    real_stderr = dup(STDERR_FILENO);
    dup2(fileno(log_file), STDERR_FILENO);
}

static size_t check_caught(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    long size = (fseek(log_file, 0, SEEK_END), ftell(log_file));
    must(size >= 0);
    char *text = malloc((size_t)size + 1);
    must(text);
    rewind(log_file);
    size_t n = fread(text, 1, (size_t)size, log_file);
    check_log(slice_of(text, n));
    free(text);
    fclose(log_file);
    return n;
}

/* ---- interleave ---- */

static void run_all(struct world *w, uint64_t requests)
{
    uint64_t asked = 0;
    do {
        while (asked < requests && asked - w->requests < AT_ONCE) {
            world_ask(w, any_script(w));
            asked++;
        }
    } while (world_step(w));
}

static void interleave(uint64_t seed)
{
    struct world w;
    uint64_t stale = ctx_stale();
    world_init(&w, seed, NULL);
    run_all(&w, REQUESTS);
    stale = ctx_stale() - stale;
    if (w.requests != REQUESTS)
        leak("%llu requests of %d were answered", (unsigned long long)w.requests, REQUESTS);
    if (stale != w.expected_stale)
        leak("%llu references were stale, %llu refused", (unsigned long long)w.expected_stale,
             (unsigned long long)stale);
    printf("# %llu steps, %llu stale continuations refused\n", (unsigned long long)w.steps,
           (unsigned long long)stale);
    must(w.expected_stale > 0); /* else nothing was tried */
    world_done(&w);
}

/* ---- sweep ---- */

enum { NEIGHBOURS = 3, ALLOCS = 4, ROUNDS = 3 };

/* How many steps the victim had when it ended. */
static uint32_t kill_one(uint64_t seed, enum script script, enum kill kill, uint32_t step,
                         uint32_t alloc)
{
    struct world w;
    world_init(&w, seed, NULL);
    struct request *all[NEIGHBOURS + 1];
    for (unsigned i = 0; i <= NEIGHBOURS; i++) {
        all[i] = world_ask(&w, i == 0 ? script : any_script(&w));
        atomic_fetch_add(&all[i]->refs, 1); /* ours */
    }
    w.victim = all[0];
    w.kill = kill;
    w.kill_step = step;
    w.kill_alloc = alloc;
    while (world_step(&w))
        ;
    uint32_t steps = all[0]->steps;
    for (unsigned i = 0; i <= NEIGHBOURS; i++) {
        if (!all[i]->is_over || (i && !all[i]->status))
            leak("request %u of seed %llu has no end", i, (unsigned long long)seed);
        buf_done(&all[i]->body);
        heap_free(all[i]->user);
        heap_free(all[i]);
    }
    world_done(&w);
    return steps;
}

static void sweep(uint64_t seed)
{
    unsigned runs = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned script = 0; script < SCRIPT_COUNT; script++) {
            for (unsigned kill = KILL_GONE; kill < KILL_COUNT; kill++) {
                uint32_t steps = 1;
                for (uint32_t step = 0; step < steps; step++) {
                    for (uint32_t a = 1; a <= (kill == KILL_NOMEM ? ALLOCS : 1); a++, runs++) {
                        uint32_t n =
                            kill_one(seed + runs, (enum script)script, (enum kill)kill, step, a);
                        steps = n > steps ? n : steps;
                    }
                }
            }
        }
    }
    printf("# %u runs, each with one request killed\n", runs);
    if (ctx_live() != 0)
        leak("%llu contexts are left", (unsigned long long)ctx_live());
}

/* ---- threads ---- */

struct thread {
    pthread_t thread;
    struct world world;
    uint64_t budget;
};
static _Atomic unsigned busy_count;

static void *run_world(void *arg)
{
    struct thread *t = arg;
    struct world *w = &t->world;
    uint64_t asked = 0;
    bool is_busy = true;
    while (atomic_load(&busy_count)) {
        while (w->steps < t->budget && asked - w->requests < AT_ONCE) {
            world_ask(w, any_script(w));
            asked++;
        }
        bool has_run = world_step(w);
        if (is_busy && w->steps >= t->budget && asked == w->requests) {
            is_busy = false;
            atomic_fetch_sub(&busy_count, 1);
        }
        if (!has_run)
            sched_yield();
    }
    ctx_must_be_outside();
    return NULL;
}

static void threads(uint64_t seed)
{
    static struct thread all[THREADS];
    uint64_t steps = number_of("WEIR_TEST_STEPS", STEPS), total = 0;
    busy_count = THREADS;
    for (unsigned i = 0; i < THREADS; i++) {
        world_init(&all[i].world, seed + i, &all[(i + 1) % THREADS].world);
        all[i].world.log_every = 64;
        all[i].budget = steps / THREADS;
    }
    for (unsigned i = 0; i < THREADS; i++)
        must(pthread_create(&all[i].thread, NULL, run_world, &all[i]) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(all[i].thread, NULL);
    /* Timers and stale tasks that were still waiting, on one thread. */
    for (unsigned rest = 1; rest;)
        for (unsigned i = rest = 0; i < THREADS; i++)
            while (world_step(&all[i].world))
                rest++;
    for (unsigned i = 0; i < THREADS; i++) {
        total += all[i].world.steps;
        world_done(&all[i].world);
    }
    printf("# %llu steps on %d threads\n", (unsigned long long)total, THREADS);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(uint64_t seed);
    } modes[] = {{"interleave", interleave}, {"sweep", sweep}, {"threads", threads}};
    uint64_t seed = number_of("WEIR_TEST_SEED", random_u64());
    setvbuf(stdout, NULL, _IOLBF, 0);
    mallopt(M_PERTURB, 0xa5); /* what is found in an arena was not left there by the heap */
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (argc != 2 || strcmp(argv[1], modes[i].name) != 0)
            continue;
        printf("# WEIR_TEST_SEED=%llu\n", (unsigned long long)seed);
        catch_log();
        worlds_open();
        modes[i].run(seed);
        worlds_close();
        printf("# %zu bytes of log\n", check_caught());
        printf("%s 1 - %s\n1..1\n", leaks() ? "not ok" : "ok", modes[i].name);
        return leaks() ? 1 : 0;
    }
    fprintf(stderr, "usage: %s interleave|sweep|threads\n", argv[0]);
    return 2;
}
