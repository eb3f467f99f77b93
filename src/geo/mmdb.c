/* WHAT     One MMDB file: into a sealed memory file, checked, opened by libmaxminddb, read.
 * WHY      Why the memory file and the check: mmdb_int.h. Values are copied out with a maximum, as
 *          valid UTF-8: they go into records as they are.
 * LAYOUTS  Each field has the paths that the known layouts use; which of them occur is found once,
 *          by looking at SAMPLES records all over the tree, so that a look-up tries no others. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "geo/mmdb_int.h"

enum { SAMPLES = 4096, PATHS_MAX = 4, PATH_WORDS_MAX = 5, ORGANISATION_BYTES = 128 };

static const char *const field_paths[MMDB_FIELDS][PATHS_MAX][PATH_WORDS_MAX] = {
    [MMDB_FIELD_COUNTRY] = {{"country", "iso_code"},
                            {"country_code"},
                            {"country"},
                            {"registered_country", "iso_code"}},
    [MMDB_FIELD_REGION_CODE] = {{"subdivisions", "0", "iso_code"}},
    [MMDB_FIELD_REGION] = {{"subdivisions", "0", "names", "en"}, {"state1"}, {"region"}},
    [MMDB_FIELD_CITY] = {{"city", "names", "en"}, {"city"}},
    [MMDB_FIELD_ASN] = {{"autonomous_system_number"},
                        {"asn"},
                        {"traits", "autonomous_system_number"}},
    [MMDB_FIELD_ORGANISATION] = {{"autonomous_system_organization"},
                                 {"as_name"},
                                 {"name"},
                                 {"traits", "autonomous_system_organization"}},
    [MMDB_FIELD_TOR] = {{"is_tor_exit_node"}, {"traits", "is_tor_exit_node"}, {"tor"}},
    [MMDB_FIELD_VPN] = {{"is_anonymous_vpn"}, {"traits", "is_anonymous_vpn"}, {"vpn"}},
    [MMDB_FIELD_HOSTING] = {{"is_hosting_provider"},
                            {"traits", "is_hosting_provider"},
                            {"hosting"}},
};

/* ---- a value ---- */

static bool find(const struct mmdb *m, const MMDB_entry_s *record, enum mmdb_field field,
                 unsigned path, MMDB_entry_data_s *ret)
{
    MMDB_entry_s entry = *record;
    (void)m;
    return field_paths[field][path][0] &&
           MMDB_aget_value(&entry, ret, field_paths[field][path]) == MMDB_SUCCESS && ret->has_data;
}

static bool is_of_kind(const MMDB_entry_data_s *v, enum mmdb_field field)
{
    if (field >= MMDB_FIELD_TOR)
        return v->type == MMDB_DATA_TYPE_BOOLEAN ||
               (v->type == MMDB_DATA_TYPE_UTF8_STRING && v->data_size > 0);
    return v->type == MMDB_DATA_TYPE_UTF8_STRING ||
           (field == MMDB_FIELD_ASN && v->type == MMDB_DATA_TYPE_UINT32);
}

/* By the first path that has a value of the field's kind. */
static bool get(const struct mmdb *m, const MMDB_entry_s *record, enum mmdb_field field,
                MMDB_entry_data_s *ret)
{
    for (unsigned path = 0; path < PATHS_MAX; path++)
        if ((m->paths[field] >> path & 1) && find(m, record, field, path, ret) &&
            is_of_kind(ret, field))
            return true;
    return false;
}

static struct slice get_text(const struct mmdb *m, const MMDB_entry_s *record,
                             enum mmdb_field field)
{
    MMDB_entry_data_s v;
    if (!get(m, record, field, &v) || v.type != MMDB_DATA_TYPE_UTF8_STRING)
        return SLICE_EMPTY;
    return slice_of(v.utf8_string, v.data_size);
}

static bool get_flag(const struct mmdb *m, const MMDB_entry_s *record, enum mmdb_field field)
{
    MMDB_entry_data_s v;
    if (!get(m, record, field, &v))
        return false;
    if (v.type == MMDB_DATA_TYPE_BOOLEAN)
        return v.boolean;
    return slice_eq_str(slice_of(v.utf8_string, v.data_size), "true");
}

/* Up to the first byte that is no text. */
static void copy_text(struct slice from, size_t bytes, char *to)
{
    size_t len = 0;
    while (len < from.len) {
        size_t n = slice_utf8_len(slice_sub(from, len));
        unsigned char c = (unsigned char)from.data[len];
        if (n == 0 || len + n >= bytes || c < 0x20 || c == 0x7f)
            break;
        len += n;
    }
    memcpy(to, from.data, len);
    to[len] = '\0';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_country(struct slice code)
{
    return code.len == 2 && is_letter(code.data[0]) && is_letter(code.data[1]);
}

/* Up to three letters and digits (ISO 3166-2). */
static bool is_region_code(struct slice code)
{
    if (code.len == 0 || code.len > 3)
        return false;
    for (size_t i = 0; i < code.len; i++)
        if (!is_letter(code.data[i]) && !(code.data[i] >= '0' && code.data[i] <= '9'))
            return false;
    return true;
}

/* ---- a record ---- */

static void look_place(const struct mmdb *m, const MMDB_entry_s *record, struct geo_place *place)
{
    struct slice country = get_text(m, record, MMDB_FIELD_COUNTRY);
    if (!*place->country && is_country(country)) {
        place->country[0] = (char)(country.data[0] & ~0x20);
        place->country[1] = (char)(country.data[1] & ~0x20);
    }
    struct slice code = get_text(m, record, MMDB_FIELD_REGION_CODE);
    if (!*place->region && *place->country && is_region_code(code))
        snprintf(place->region, sizeof(place->region), "%s-%.*s", place->country, SLICE_ARG(code));
    if (!*place->region)
        copy_text(get_text(m, record, MMDB_FIELD_REGION), sizeof(place->region), place->region);
    if (!*place->city)
        copy_text(get_text(m, record, MMDB_FIELD_CITY), sizeof(place->city), place->city);
}

static uint32_t get_asn(const struct mmdb *m, const MMDB_entry_s *record)
{
    MMDB_entry_data_s v;
    uint64_t number = 0;
    if (!get(m, record, MMDB_FIELD_ASN, &v))
        return 0;
    if (v.type == MMDB_DATA_TYPE_UINT32)
        return v.uint32;
    struct slice text = slice_of(v.utf8_string, v.data_size); /* "AS64500" */
    if (slice_has_prefix(text, SLICE_LIT("AS")))
        text = slice_sub(text, 2);
    return slice_to_u64(text, &number) && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static void look_network(const struct mmdb *m, const MMDB_entry_s *record, struct geo_place *place)
{
    char organisation[ORGANISATION_BYTES];
    enum geo_network network = GEO_NETWORK_UNKNOWN;
    uint32_t asn = get_asn(m, record);
    if (!place->asn)
        place->asn = asn;
    copy_text(get_text(m, record, MMDB_FIELD_ORGANISATION), sizeof(organisation), organisation);
    if (get_flag(m, record, MMDB_FIELD_TOR))
        network = GEO_NETWORK_TOR;
    else if (get_flag(m, record, MMDB_FIELD_VPN))
        network = GEO_NETWORK_VPN;
    else if (get_flag(m, record, MMDB_FIELD_HOSTING))
        network = GEO_NETWORK_DATACENTRE;
    else if (asn)
        network = geo_network_of(asn, slice_str(organisation));
    if (network > place->network) /* in their order they say more and more */
        place->network = network;
}

static bool find_record(const struct mmdb *m, struct ip address, MMDB_entry_s *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr *sa = (const struct sockaddr *)(const void *)&v6;
    if (ip_is_v4(address)) {
        v4.sin_addr.s_addr = htonl((uint32_t)address.low);
        sa = (const struct sockaddr *)(const void *)&v4;
    } else if (m->shape.ip_version == 4) {
        return false;
    } else {
        const uint64_t words[2] = {htobe64(address.high), htobe64(address.low)};
        memcpy(v6.sin6_addr.s6_addr, words, sizeof(words));
    }
    int error = MMDB_SUCCESS;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&m->lib, sa, &error);
    *ret = found.entry;
    return error == MMDB_SUCCESS && found.found_entry;
}

void mmdb_look(const struct mmdb *m, struct ip address, struct geo_place *place)
{
    MMDB_entry_s record;
    if (!find_record(m, address, &record))
        return;
    if (mmdb_has(m, MMDB_FIELD_COUNTRY) || mmdb_has(m, MMDB_FIELD_CITY))
        look_place(m, &record, place);
    look_network(m, &record, place);
}

/* ---- opening ---- */

static void sample(struct mmdb *m, MMDB_entry_s *record)
{
    MMDB_entry_data_s v;
    for (unsigned field = 0; field < MMDB_FIELDS; field++)
        for (unsigned path = 0; path < PATHS_MAX; path++)
            if (!(m->paths[field] >> path & 1) &&
                find(m, record, (enum mmdb_field)field, path, &v) &&
                is_of_kind(&v, (enum mmdb_field)field))
                m->paths[field] |= (uint8_t)(1U << path);
}

static void find_paths(struct mmdb *m)
{
    uint64_t step = m->shape.node_count / SAMPLES + 1;
    for (uint64_t n = 0; n < m->shape.node_count; n += step) {
        MMDB_search_node_s node;
        if (MMDB_read_node(&m->lib, (uint32_t)n, &node) != MMDB_SUCCESS)
            continue;
        if (node.left_record_type == MMDB_RECORD_TYPE_DATA)
            sample(m, &node.left_record_entry);
        if (node.right_record_type == MMDB_RECORD_TYPE_DATA)
            sample(m, &node.right_record_entry);
    }
}

/* What the check has looked at is what the library is going to read. */
static bool agrees(const struct mmdb *m)
{
    const MMDB_metadata_s *meta = &m->lib.metadata;
    return meta->node_count == m->shape.node_count && meta->record_size == m->shape.record_bits &&
           meta->ip_version == m->shape.ip_version &&
           m->lib.data_section == m->lib.file_content + m->shape.data_at;
}

static enum rc open_sealed(int fd, struct mmdb *m, struct err *err)
{
    char path[64];
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_sys(err, errno, "cannot seal it in memory");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = MMDB_open(path, MMDB_MODE_MMAP, &m->lib);
    if (status != MMDB_SUCCESS) {
        m->lib = (MMDB_s){.file_content = NULL};
        return err_set(err, RC_CORRUPT, "%s", MMDB_strerror(status));
    }
    if (!agrees(m))
        return err_set(err, RC_CORRUPT, "its metadata can be read in two ways");
    return RC_OK;
}

static enum rc open_checked(struct slice bytes, struct mmdb *m, struct err *err)
{
    TRY(mmdb_check((const uint8_t *)bytes.data, bytes.len, &m->shape, err));
    CLEANUP(os_closep) int fd = memfd_create("mmdb", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_sys(err, errno, "cannot have it in memory");
    TRY(os_write_all(fd, bytes.data, bytes.len, err));
    TRY(open_sealed(fd, m, err));
    find_paths(m);
    return RC_OK;
}

enum rc mmdb_open_bytes(struct slice bytes, const char *name, struct mmdb **ret_mmdb,
                        struct err *err)
{
    struct mmdb *m = heap_alloc(HEAP_GEO, sizeof(*m));
    snprintf(m->path, sizeof(m->path), "%s", name);
    if (open_checked(bytes, m, err) != RC_OK) {
        mmdb_close(m);
        return err_wrap(err, "%s", name);
    }
    *ret_mmdb = m;
    return RC_OK;
}

enum rc mmdb_open(const char *path, struct mmdb **ret_mmdb, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, MMDB_FILE_BYTES_MAX);
    enum rc rc = os_read_file(path, &bytes, err);
    if (rc == RC_OK)
        rc = mmdb_open_bytes(buf_slice(&bytes), path, ret_mmdb, err);
    buf_done(&bytes);
    return rc;
}

void mmdb_close(struct mmdb *m)
{
    if (!m)
        return;
    if (m->lib.file_content)
        MMDB_close(&m->lib);
    heap_free(m);
}
