/* WHAT     geo.h: the set of files behind a view, and the view that holds now.
 * THREADS  geo.lock guards the pointer; a view's count of references is atomic and the view itself
 *          never changes. Reloads come one at a time (the caller's main thread). */
#include "geo/geo.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/os.h"
#include "geo/mmdb_int.h"

#define PACKAGE "node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"

struct geo_view {
    _Atomic uint32_t refs;
    struct mmdb *files[GEO_KINDS]; /* NULL: there is none */
};
struct geo {
    pthread_mutex_t lock; /* guards view */
    struct geo_view *view;
};
/* The more a file can know, the earlier it is asked. */
static const enum geo_kind order[GEO_KINDS] = {GEO_CITY, GEO_COUNTRY, GEO_ASN};

/* ---- an address ---- */

/* IANA's special-purpose registries (RFC 6890 and its updates), and multicast. */
static bool is_special_v4(uint32_t a)
{
    static const struct {
        uint32_t network, bits;
    } special[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* carrier-grade NAT */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarks */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 3},  /* multicast, reserved */
    };
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if ((a ^ special[i].network) >> (32 - special[i].bits) == 0)
            return true;
    return false;
}

bool geo_is_routable(struct ip address)
{
    if (ip_is_v4(address))
        return !is_special_v4((uint32_t)address.low);
    uint64_t high = address.high;
    return high >> 61 == 1 &&          /* 2000::/3 is all that is given out */
           high >> 32 != 0x20010000 && /* Teredo */
           high >> 32 != 0x20010db8 && /* documentation */
           high >> 44 != 0x3fff0;      /* documentation (RFC 9637) */
}

void geo_look(const struct geo_view *view, struct ip address, struct geo_place *ret_place)
{
    *ret_place = (struct geo_place){.asn = 0};
    if (!geo_is_routable(address))
        return;
    for (unsigned i = 0; i < GEO_KINDS; i++)
        if (view->files[order[i]])
            mmdb_look(view->files[order[i]], address, ret_place);
}

/* ---- opening ---- */

/* Beside the binary, where packages install it, and in the tree that built it (at any depth). */
static bool find_default(char ret_path[OS_PATH_MAX])
{
    static const char *const places[] = {"geo-country.mmdb",
                                         "../lib/weir/geo-country.mmdb",
                                         PACKAGE,
                                         "../" PACKAGE,
                                         "../../" PACKAGE,
                                         "../../../" PACKAGE,
                                         "../../../../" PACKAGE};
    char exe[OS_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 256);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (os_exists(os_path(ret_path, "%s/%s", exe, places[i])))
            return true;
    return false;
}

static enum rc open_file(const struct geo_cfg *cfg, enum geo_kind kind, struct mmdb **ret,
                         struct err *err)
{
    static const char *const settings[GEO_KINDS] = {[GEO_COUNTRY] = "geo.country_file",
                                                    [GEO_CITY] = "geo.city_file",
                                                    [GEO_ASN] = "geo.asn_file"};
    const char *path = cfg->files[kind] ? cfg->files[kind] : "";
    char found[OS_PATH_MAX];
    if (strcmp(path, "none") == 0)
        return RC_OK;
    if (!*path && (kind != GEO_COUNTRY || !find_default(found)))
        return RC_OK;
    enum rc rc = mmdb_open(*path ? path : found, ret, err);
    return rc == RC_OK ? rc : err_wrap(err, "%s", settings[kind]);
}

static void view_free(struct geo_view *view)
{
    for (unsigned kind = 0; kind < GEO_KINDS; kind++)
        mmdb_close(view->files[kind]);
    heap_free(view);
}

static enum rc view_new(const struct geo_cfg *cfg, struct geo_view **ret_view, struct err *err)
{
    struct geo_view *view = heap_alloc(HEAP_GEO, sizeof(*view));
    enum rc rc = RC_OK;
    atomic_init(&view->refs, 1);
    for (unsigned kind = 0; kind < GEO_KINDS && rc == RC_OK; kind++)
        rc = open_file(cfg, (enum geo_kind)kind, &view->files[kind], err);
    if (rc == RC_OK)
        *ret_view = view;
    else
        view_free(view);
    return rc;
}

enum rc geo_open(const struct geo_cfg *cfg, struct geo **ret_geo, struct err *err)
{
    struct geo_view *view;
    TRY(view_new(cfg, &view, err));
    struct geo *geo = heap_alloc(HEAP_GEO, sizeof(*geo));
    pthread_mutex_init(&geo->lock, NULL);
    geo->view = view;
    *ret_geo = geo;
    return RC_OK;
}

enum rc geo_reload(struct geo *geo, const struct geo_cfg *cfg, struct err *err)
{
    struct geo_view *fresh;
    TRY(view_new(cfg, &fresh, err));
    pthread_mutex_lock(&geo->lock);
    struct geo_view *old = geo->view;
    geo->view = fresh;
    pthread_mutex_unlock(&geo->lock);
    geo_view_give(old);
    return RC_OK;
}

struct geo_view *geo_view_take(struct geo *geo)
{
    pthread_mutex_lock(&geo->lock);
    struct geo_view *view = geo->view;
    atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&geo->lock);
    return view;
}

void geo_view_give(struct geo_view *view)
{
    if (view && atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) == 1)
        view_free(view);
}

/* ---- what there is ---- */

const char *geo_view_path(const struct geo_view *view, enum geo_kind kind)
{
    return view->files[kind] ? view->files[kind]->path : "";
}

unix_ms geo_view_built(const struct geo_view *view, enum geo_kind kind)
{
    const struct mmdb *file = view->files[kind];
    bool is_sane = file && file->shape.built_s < (UINT64_C(1) << 40);
    return (unix_ms){is_sane ? (int64_t)file->shape.built_s * 1000 : 0};
}

bool geo_view_has(const struct geo_view *view, enum geo_kind kind)
{
    static const enum mmdb_field fields[GEO_KINDS][2] = {
        [GEO_COUNTRY] = {MMDB_FIELD_COUNTRY, MMDB_FIELD_COUNTRY},
        [GEO_CITY] = {MMDB_FIELD_CITY, MMDB_FIELD_CITY},
        [GEO_ASN] = {MMDB_FIELD_ASN, MMDB_FIELD_HOSTING}};
    for (unsigned i = 0; i < GEO_KINDS; i++)
        if (view->files[i] && (mmdb_has(view->files[i], fields[kind][0]) ||
                               mmdb_has(view->files[i], fields[kind][1])))
            return true;
    return false;
}

const char *geo_view_missing(const struct geo_view *view)
{
    bool has_country = geo_view_has(view, GEO_COUNTRY), has_asn = geo_view_has(view, GEO_ASN);
    if (!has_country && !has_asn)
        return "no geographic data: events get neither a country nor a network; run npm ci in the "
               "source tree, or name files with geo.country_file and geo.asn_file";
    if (!has_country)
        return "no data of countries: events get none; name a file with geo.country_file";
    if (!has_asn)
        return "no data of networks: datacentres are not told from people; name an ASN file (such "
               "as GeoLite2-ASN.mmdb) with geo.asn_file";
    return NULL;
}

static int64_t read_available(struct geo *geo, enum geo_kind kind)
{
    struct geo_view *view = geo_view_take(geo);
    bool has = geo_view_has(view, kind);
    geo_view_give(view);
    return has;
}

static int64_t read_built(struct geo *geo, enum geo_kind kind)
{
    struct geo_view *view = geo_view_take(geo);
    int64_t built_s = geo_view_built(view, kind).ms / 1000;
    geo_view_give(view);
    return built_s;
}

/* clang-format off */
static int64_t has_country(void *geo) { return read_available(geo, GEO_COUNTRY); }
static int64_t has_city(void *geo) { return read_available(geo, GEO_CITY); }
static int64_t has_asn(void *geo) { return read_available(geo, GEO_ASN); }
static int64_t built_country(void *geo) { return read_built(geo, GEO_COUNTRY); }
static int64_t built_city(void *geo) { return read_built(geo, GEO_CITY); }
static int64_t built_asn(void *geo) { return read_built(geo, GEO_ASN); }
/* clang-format on */

void geo_metrics_register(struct geo *geo)
{
    static struct metric metrics[2][GEO_KINDS] = {
        {
            [GEO_COUNTRY] = {.labels = "kind=\"country\"", .read = has_country},
            [GEO_CITY] = {.labels = "kind=\"city\"", .read = has_city},
            [GEO_ASN] = {.labels = "kind=\"network\"", .read = has_asn},
        },
        {
            [GEO_COUNTRY] = {.labels = "file=\"country\"", .read = built_country},
            [GEO_CITY] = {.labels = "file=\"city\"", .read = built_city},
            [GEO_ASN] = {.labels = "file=\"asn\"", .read = built_asn},
        }};
    for (unsigned i = 0; i < 2 * GEO_KINDS; i++) {
        struct metric *m = &metrics[i / GEO_KINDS][i % GEO_KINDS];
        m->name =
            i < GEO_KINDS ? "weir_geo_data_available" : "weir_geo_data_built_timestamp_seconds";
        m->help = i < GEO_KINDS ? "1 when what is looked up of an address includes that."
                                : "The date that the file carries; 0 = there is no such file.";
        m->kind = METRIC_GAUGE;
        m->read_ctx = geo;
        metrics_register(m);
    }
}

void geo_close(struct geo *geo)
{
    if (!geo)
        return;
    must(atomic_load(&geo->view->refs) == 1);
    geo_view_give(geo->view);
    pthread_mutex_destroy(&geo->lock);
    heap_free(geo);
}
