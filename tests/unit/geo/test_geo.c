/* Look-ups in every layout, what a damaged file does (nothing), and reloads under readers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "geo/mmdb_int.h"
#include "mmdb_make.h"

static struct mmdb_make make;
static char folder[] = "/tmp/weir-geo-XXXXXX";

static struct ip ip_of(const char *text)
{
    struct ip a;
    assert_true(ip_parse(slice_str(text), &a));
    return a;
}

struct entry {
    const char *network, *json;
};
static const struct entry city_entries[] = {
    {"88.198.0.0/16",
     "{\"city\":{\"names\":{\"de\":\"Nürnberg\",\"en\":\"Nuremberg\"}},\"country\":{\"iso_code\":"
     "\"DE\",\"names\":{\"en\":\"Germany\"}},\"subdivisions\":[{\"iso_code\":\"BY\",\"names\":{"
     "\"en\":\"Bavaria\"}}]}"},
    {"81.2.69.0/24",
     "{\"country\":{\"iso_code\":\"gb\"},\"subdivisions\":[{\"names\":{\"en\":\"England\"}}]}"},
    {"2a01:4f8::/32",
     "{\"country\":{\"iso_code\":\"DE\"},\"city\":{\"names\":{\"en\":\"Falkenstein\"}}}"},
    {"5.0.0.0/8", "{\"registered_country\":{\"iso_code\":\"SY\"}}"},
};
static const struct entry flat_entries[] = {
    {"88.198.0.0/16", "{\"country_code\":\"AT\"}"},
    {"1.0.0.0/24", "{\"country_code\":\"AU\",\"state1\":\"Queensland\",\"city\":\"Brisbane\"}"},
    {"9.9.9.0/24", "{\"country_code\":\"USA\"}"},
};
static const struct entry asn_entries[] = {
    {"88.198.0.0/16", "{\"autonomous_system_number\":24940,\"autonomous_system_organization\":"
                      "\"Hetzner Online GmbH\"}"},
    {"81.2.69.0/24", "{\"autonomous_system_number\":20712,\"autonomous_system_organization\":"
                     "\"Andrews & Arnold Ltd\"}"},
    {"7.7.0.0/16", "{\"autonomous_system_number\":64500,\"autonomous_system_organization\":"
                   "\"Bob's VPS and more\"}"},
    {"6.6.6.0/24", "{\"asn\":\"AS64501\",\"as_name\":\"Home\",\"is_tor_exit_node\":true}"},
    {"6.6.7.0/24", "{\"is_anonymous_vpn\":true,\"autonomous_system_number\":64502}"},
    {"6.6.8.0/24", "{\"is_hosting_provider\":true}"},
};

static void make_bytes(const struct entry *entries, size_t n, unsigned version, unsigned bits,
                       struct buf *out)
{
    buf_init(out, 1 << 20);
    mmdb_make_init(&make, version, bits);
    for (size_t i = 0; i < n; i++)
        if (version == 6 || !strchr(entries[i].network, ':'))
            mmdb_make_put(&make, entries[i].network, entries[i].json);
    mmdb_make_finish(&make, out);
}

static const char *make_file(const char *name, const struct entry *entries, size_t n,
                             unsigned version, unsigned bits)
{
    static char path[4][OS_PATH_MAX];
    static unsigned next;
    struct buf bytes;
    struct err err = ERR_INIT;
    next = (next + 1) % COUNT_OF(path);
    make_bytes(entries, n, version, bits, &bytes);
    os_path(path[next], "%s/%s.mmdb", folder, name);
    assert_int_equal(os_write_file_durable(path[next], buf_slice(&bytes), &err), RC_OK);
    buf_done(&bytes);
    return path[next];
}
#define FILE_OF(name, entries, version, bits) \
    make_file(name, entries, COUNT_OF(entries), version, bits)

static struct geo *open_geo(const char *country, const char *city, const char *asn)
{
    struct geo *geo = NULL;
    struct err err = ERR_INIT;
    const struct geo_cfg cfg = {
        .files = {[GEO_COUNTRY] = country, [GEO_CITY] = city, [GEO_ASN] = asn}};
    assert_int_equal(geo_open(&cfg, &geo, &err), RC_OK);
    return geo;
}

static struct geo_place look(struct geo *geo, const char *address)
{
    struct geo_place place;
    struct geo_view *view = geo_view_take(geo);
    geo_look(view, ip_of(address), &place);
    geo_view_give(view);
    return place;
}

static void a_city_file_gives_country_region_and_city(void **state)
{
    (void)state;
    for (unsigned bits = 24; bits <= 32; bits += 4) {
        struct geo *geo = open_geo("none", FILE_OF("city", city_entries, 6, bits), "");
        struct geo_place p = look(geo, "88.198.7.9");
        assert_string_equal(p.country, "DE");
        assert_string_equal(p.region, "DE-BY");
        assert_string_equal(p.city, "Nuremberg");
        assert_int_equal(p.network, GEO_NETWORK_UNKNOWN);
        p = look(geo, "81.2.69.142");
        assert_string_equal(p.country, "GB");
        assert_string_equal(p.region, "England");
        assert_string_equal(p.city, "");
        p = look(geo, "2a01:4f8::17");
        assert_string_equal(p.city, "Falkenstein");
        assert_string_equal(look(geo, "5.1.2.3").country, "SY");
        assert_string_equal(look(geo, "89.0.0.1").country, "");
        geo_close(geo);
    }
}

static void the_flat_layout_is_read_too(void **state)
{
    (void)state;
    struct geo *geo = open_geo(FILE_OF("flat", flat_entries, 4, 24), "", "");
    struct geo_place p = look(geo, "1.0.0.1");
    assert_string_equal(p.country, "AU");
    assert_string_equal(p.region, "Queensland");
    assert_string_equal(p.city, "Brisbane");
    assert_string_equal(look(geo, "9.9.9.9").country, ""); /* three letters are no country */
    assert_string_equal(look(geo, "2a01:4f8::17").country, "");
    geo_close(geo);
}

static void of_several_files_the_first_that_knows_is_believed(void **state)
{
    (void)state;
    struct geo *geo =
        open_geo(FILE_OF("flat", flat_entries, 4, 28), FILE_OF("city", city_entries, 6, 28),
                 FILE_OF("asn", asn_entries, 6, 32));
    struct geo_place p = look(geo, "88.198.7.9");
    assert_string_equal(p.country, "DE");
    assert_int_equal(p.asn, 24940);
    assert_int_equal(p.network, GEO_NETWORK_DATACENTRE);
    assert_string_equal(look(geo, "1.0.0.1").country, "AU");
    struct geo_view *view = geo_view_take(geo);
    assert_null(geo_view_missing(view));
    assert_true(geo_view_has(view, GEO_CITY) && geo_view_has(view, GEO_ASN));
    assert_int_equal(geo_view_built(view, GEO_ASN).ms, INT64_C(1764115200000));
    geo_view_give(view);
    geo_close(geo);
}

static void networks_are_told_by_number_name_and_flag(void **state)
{
    (void)state;
    struct geo *geo = open_geo("none", "", FILE_OF("asn", asn_entries, 6, 24));
    assert_int_equal(look(geo, "88.198.7.9").network, GEO_NETWORK_DATACENTRE);
    assert_int_equal(look(geo, "81.2.69.1").network, GEO_NETWORK_ISP);
    assert_int_equal(look(geo, "7.7.7.7").network, GEO_NETWORK_DATACENTRE);
    assert_int_equal(look(geo, "6.6.6.6").network, GEO_NETWORK_TOR);
    assert_int_equal(look(geo, "6.6.6.6").asn, 64501);
    assert_int_equal(look(geo, "6.6.7.6").network, GEO_NETWORK_VPN);
    assert_int_equal(look(geo, "6.6.8.6").network, GEO_NETWORK_DATACENTRE);
    assert_int_equal(look(geo, "6.6.9.6").network, GEO_NETWORK_UNKNOWN);
    geo_close(geo);
    /* Numbers of the table, its ends among them; relays of people are not in it. */
    static const uint32_t hosting[] = {7203, 14061, 16509, 63949, 396982};
    for (size_t i = 0; i < COUNT_OF(hosting); i++)
        assert_int_equal(geo_network_of(hosting[i], SLICE_EMPTY), GEO_NETWORK_DATACENTRE);
    assert_int_equal(geo_network_of(13335, SLICE_LIT("Cloudflare, Inc.")), GEO_NETWORK_ISP);
    assert_int_equal(geo_network_of(36183, SLICE_LIT("Akamai Technologies")), GEO_NETWORK_ISP);
    assert_int_equal(geo_network_of(1, SLICE_LIT("Some Cloud LLC")), GEO_NETWORK_DATACENTRE);
    assert_int_equal(geo_network_of(0, SLICE_EMPTY), GEO_NETWORK_UNKNOWN);
}

static void addresses_of_nobody_are_nowhere(void **state)
{
    (void)state;
    static const struct entry all[] = {{"0.0.0.0/1", "{\"country_code\":\"XA\"}"},
                                       {"128.0.0.0/1", "{\"country_code\":\"XB\"}"},
                                       {"2000::/3", "{\"country_code\":\"XC\"}"},
                                       {"fc00::/7", "{\"country_code\":\"XD\"}"}};
    static const char *const nobody[] = {
        "0.1.2.3",     "10.1.2.3",     "100.64.0.1",  "100.127.255.255", "127.0.0.1",
        "169.254.1.1", "172.16.0.1",   "172.31.9.9",  "192.0.2.1",       "192.168.1.1",
        "198.18.0.1",  "198.51.100.1", "203.0.113.9", "224.0.0.1",       "255.255.255.255",
        "::1",         "fc00::1",      "fe80::1",     "2001:db8::1",     "2001:0:1::1",
        "::",          "ff02::1",      "64:ff9b::1",  "3fff:1::1",
    };
    struct geo *geo = open_geo(FILE_OF("all", all, 6, 24), "", "");
    for (size_t i = 0; i < COUNT_OF(nobody); i++)
        assert_string_equal(look(geo, nobody[i]).country, "");
    assert_string_equal(look(geo, "100.128.0.1").country, "XA");
    assert_string_equal(look(geo, "172.32.0.1").country, "XB");
    assert_string_equal(look(geo, "2001:4860::1").country, "XC");
    geo_close(geo);
}

static void texts_are_cut_to_whole_characters_without_control_bytes(void **state)
{
    (void)state;
    static const struct entry odd[] = {
        {"1.0.0.0/24", "{\"city\":\"ääääääääääääääääääääääääääääääääääääääääääääääääääääääää\"}"},
        {"2.0.0.0/24", "{\"city\":\"Two\\nlines\"}"},
        {"3.0.0.0/24", "{\"city\":{\"names\":{\"en\":7}},\"country\":{\"iso_code\":[\"DE\"]}}"},
    };
    struct geo *geo = open_geo(FILE_OF("odd", odd, 6, 24), "", "");
    struct geo_place p = look(geo, "1.0.0.1");
    assert_int_equal(strlen(p.city), GEO_CITY_BYTES - 2); /* two bytes each, and the NUL */
    assert_string_equal(look(geo, "2.0.0.1").city, "Two");
    assert_string_equal(look(geo, "3.0.0.1").city, "");
    geo_close(geo);
}

static void what_is_missing_or_damaged_is_told(void **state)
{
    (void)state;
    struct geo *geo = NULL;
    struct err err = ERR_INIT;
    struct geo_cfg cfg = {.files = {[GEO_COUNTRY] = "/nowhere/at/all.mmdb"}};
    assert_int_equal(geo_open(&cfg, &geo, &err), RC_NOTFOUND);
    assert_non_null(strstr(err.text, "geo.country_file"));
    const char *path = FILE_OF("flat", flat_entries, 6, 24);
    assert_int_equal(os_write_file_durable(path, SLICE_LIT("no database"), &err), RC_OK);
    cfg.files[GEO_COUNTRY] = path;
    assert_int_equal(geo_open(&cfg, &geo, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, path));
    geo = open_geo("none", "none", "none");
    struct geo_view *view = geo_view_take(geo);
    assert_non_null(strstr(geo_view_missing(view), "geo.country_file"));
    geo_view_give(view);
    /* A reload that fails leaves what was there. */
    const struct geo_cfg good = {.files = {FILE_OF("flat", flat_entries, 6, 24)}};
    assert_int_equal(geo_reload(geo, &good, &err), RC_OK);
    assert_string_equal(look(geo, "1.0.0.1").country, "AU");
    assert_int_equal(os_write_file_durable(good.files[0], SLICE_LIT("x"), &err), RC_OK);
    assert_int_equal(geo_reload(geo, &good, &err), RC_CORRUPT);
    assert_string_equal(look(geo, "1.0.0.1").country, "AU");
    geo_close(geo);
}

static void a_file_cut_short_or_written_over_under_us_is_no_matter(void **state)
{
    (void)state;
    const char *path = FILE_OF("flat", flat_entries, 6, 24);
    struct geo *geo = open_geo(path, "", "");
    assert_int_equal(truncate(path, 0), 0);
    assert_string_equal(look(geo, "1.0.0.1").country, "AU");
    geo_close(geo);
}

/* Every byte of a file changed, every length cut: refused, or answers something; never a crash. */
static void no_damage_is_a_crash(void **state)
{
    (void)state;
    struct buf bytes;
    make_bytes(city_entries, COUNT_OF(city_entries), 6, 24, &bytes);
    size_t refused = 0;
    for (size_t i = 0; i < 2 * bytes.len; i++) {
        struct mmdb *m = NULL;
        struct geo_place place = {.asn = 0};
        struct err err = ERR_INIT;
        char kept = bytes.data[i % bytes.len];
        size_t len = i < bytes.len ? i : bytes.len;
        if (i >= bytes.len)
            bytes.data[i % bytes.len] = (char)(kept ^ (1 << i % 8));
        if (mmdb_open_bytes(slice_of(bytes.data, len), "test", &m, &err) == RC_OK) {
            for (size_t e = 0; e < COUNT_OF(city_entries); e++)
                mmdb_look(m, ip_of("88.198.7.9"), &place);
            mmdb_close(m);
        } else {
            refused++;
        }
        bytes.data[i % bytes.len] = kept;
    }
    assert_true(refused >= bytes.len);
    buf_done(&bytes);
}

static void nesting_and_size_have_bounds(void **state)
{
    (void)state;
    char deep[64 * 2 + 8] = "";
    for (int i = 0; i < 40; i++)
        strcat(deep, "[");
    for (int i = 0; i < 40; i++)
        strcat(deep, "]");
    const struct entry entries[] = {{"1.0.0.0/24", deep}};
    struct buf bytes;
    struct mmdb *m = NULL;
    struct err err = ERR_INIT;
    make_bytes(entries, 1, 6, 24, &bytes);
    assert_int_equal(mmdb_open_bytes(buf_slice(&bytes), "deep", &m, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "nested"));
    buf_done(&bytes);
}

/* 0x2aaaaaab nodes of 6 bytes are 2 bytes to who counts in 32 bits. */
static void a_count_of_nodes_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0x2aaaaaab, UINT32_MAX, 1000, 1};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct buf bytes;
        struct mmdb *m = NULL;
        struct err err = ERR_INIT;
        buf_init(&bytes, 1 << 20);
        mmdb_make_init(&make, 6, 24);
        mmdb_make_put(&make, flat_entries[0].network, flat_entries[0].json);
        make.told_count = counts[i];
        mmdb_make_finish(&make, &bytes);
        assert_int_equal(mmdb_open_bytes(buf_slice(&bytes), "test", &m, &err), RC_CORRUPT);
        buf_done(&bytes);
    }
}

/* The tree and a pointer have to aim at the first byte of a value. */
static void what_aims_beside_a_value_is_refused(void **state)
{
    (void)state;
    static const struct entry two[] = {{"1.0.0.0/8", "{\"country_code\":\"AA\"}"},
                                       {"2.0.0.0/8", "{\"country_code\":\"BB\"}"}};
    struct buf bytes;
    struct mmdb *m = NULL;
    struct mmdb_shape shape;
    struct err err = ERR_INIT;
    make_bytes(two, 2, 4, 32, &bytes);
    uint8_t *b = (uint8_t *)bytes.data;
    assert_int_equal(mmdb_check(b, bytes.len, &shape, &err), RC_OK);
    uint8_t *pointer = memchr(b + shape.data_at, 1 << 5, shape.data_len); /* to the first key */
    assert_non_null(pointer);
    assert_int_equal(pointer[1], 1);
    pointer[1] = 2;
    assert_int_equal(mmdb_open_bytes(buf_slice(&bytes), "test", &m, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "a pointer aims at no value"));
    pointer[1] = 1;
    for (size_t at = 0; at < shape.node_count * 8; at += 4)
        if (b[at + 3] == shape.node_count + 16) { /* the record of a leaf */
            b[at + 3] += 2;
            assert_int_equal(mmdb_open_bytes(buf_slice(&bytes), "test", &m, &err), RC_CORRUPT);
            assert_non_null(strstr(err.text, "its tree aims at no value"));
            b[at + 3] = (uint8_t)(shape.node_count + 3); /* into what lies between */
            assert_int_equal(mmdb_open_bytes(buf_slice(&bytes), "test", &m, &err), RC_CORRUPT);
            buf_done(&bytes);
            return;
        }
    fail();
}

/* ---- reloads under readers ---- */
static struct geo *shared;
static _Atomic bool is_over;

static void *read_on(void *arg)
{
    size_t *seen = arg;
    while (!is_over) {
        struct geo_place p = look(shared, "88.198.7.9");
        if (strcmp(p.country, "AT") == 0)
            seen[0]++;
        else if (strcmp(p.country, "DE") == 0)
            seen[1]++;
        else
            seen[2]++;
    }
    return NULL;
}

static void readers_see_one_file_or_the_other_while_it_is_swapped(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const struct geo_cfg cfgs[2] = {{.files = {FILE_OF("flat", flat_entries, 6, 24)}},
                                    {.files = {FILE_OF("city", city_entries, 6, 24)}}};
    size_t seen[2][3] = {{0}};
    pthread_t threads[2];
    shared = open_geo(cfgs[0].files[0], "", "");
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, seen[i]), 0);
    for (int i = 1; i <= 200; i++)
        assert_int_equal(geo_reload(shared, &cfgs[i % 2], &err), RC_OK);
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(seen[0][2] + seen[1][2], 0);
    geo_close(shared);
}

/* What npm brings, where it was brought: its layout may change with a version. */
static void the_default_data_knows_countries(void **state)
{
    (void)state;
    const char *path = getenv("WEIR_TEST_GEO_COUNTRY");
    if (!path || !*path)
        skip();
    struct geo *geo = open_geo(path, "", "");
    assert_string_equal(look(geo, "8.8.8.8").country, "US");
    assert_string_equal(look(geo, "88.198.1.1").country, "DE");
    assert_string_equal(look(geo, "2a01:4f8::1").country, "DE");
    assert_string_equal(look(geo, "193.0.6.139").country, "NL");
    assert_string_equal(look(geo, "10.0.0.1").country, "");
    geo_close(geo);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    return os_remove_tree(folder, &err) == RC_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_city_file_gives_country_region_and_city),
        cmocka_unit_test(the_flat_layout_is_read_too),
        cmocka_unit_test(of_several_files_the_first_that_knows_is_believed),
        cmocka_unit_test(networks_are_told_by_number_name_and_flag),
        cmocka_unit_test(addresses_of_nobody_are_nowhere),
        cmocka_unit_test(texts_are_cut_to_whole_characters_without_control_bytes),
        cmocka_unit_test(what_is_missing_or_damaged_is_told),
        cmocka_unit_test(a_file_cut_short_or_written_over_under_us_is_no_matter),
        cmocka_unit_test(no_damage_is_a_crash),
        cmocka_unit_test(nesting_and_size_have_bounds),
        cmocka_unit_test(a_count_of_nodes_that_does_not_fit_is_refused),
        cmocka_unit_test(what_aims_beside_a_value_is_refused),
        cmocka_unit_test(readers_see_one_file_or_the_other_while_it_is_swapped),
        cmocka_unit_test(the_default_data_knows_countries),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
