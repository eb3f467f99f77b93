/* WHAT    The engine's configuration: server settings, the limits of a query, and what SQL may
 *         reach.
 * WHY     Everything that a limit or a right depends on is enforced by the engine itself, from
 *         these files, not by looking at a statement's text: constraints cannot be raised by a
 *         client's settings, and no READ or WRITE right on any source (FILE, URL, S3, REMOTE …)
 *         exists. fsync_after_insert and fsync_part_directory: an answered insert survives power
 *         loss. merge_selector_base: a row goes through fewer merges than with the engine's 5, for
 *         a few more parts; a merge costs about as much per row as the insert did.
 *         min_level_for_wide_part: a large insert is ten files and not 270, each of which would be
 *         made and synced; only merges make a file per column. string_serialization_version: a text
 *         and its length lie in one stream, which is cheaper to write, to merge and to read.
 *         Nothing is compiled to machine code: the third time that a kind of question is asked
 *         would take 60 to 120 ms longer for it, and hardly one is faster behind that
 *         (docs/internals/reports.md).
 *         The small pools and caches keep an idle child below 300 MB. System logs stay off (chdb
 *         starts them only if a <…_log> section is here). */
#include <unistd.h>

#include "base/os.h"
#include "store/confine_int.h"
#include "store/engine_int.h"

uint64_t engine_memory_max(const struct store_child_cfg *cfg)
{
    if (cfg->memory_bytes_max)
        return cfg->memory_bytes_max;
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t half = ram / 2, least = 700ull << 20, most = 16ull << 30;
    return half < least ? least : half > most ? most : half;
}

uint64_t engine_query_memory_max(const struct store_child_cfg *cfg)
{
    uint64_t all = engine_memory_max(cfg);
    uint64_t query = cfg->query_memory_bytes_max ? cfg->query_memory_bytes_max : all / 2;
    return query < all ? query : all;
}

/* Blocks of columns as they are behind decompression, for queries that ask for it
 * (use_uncompressed_cache): those that people repeat. 30 days of 100,000 events each need about
 * 500 MiB for all kinds of reports. */
static uint64_t cache_bytes(const struct store_child_cfg *cfg)
{
    uint64_t part = engine_memory_max(cfg) / 8, most = 1ull << 30;
    return part < most ? part : most;
}

uint32_t engine_query_seconds_max(const struct store_child_cfg *cfg)
{
    return cfg->query_seconds_max ? cfg->query_seconds_max : 60;
}

uint32_t engine_threads_max(const struct store_child_cfg *cfg)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cfg->threads_max ? cfg->threads_max : (uint32_t)(cores > 0 ? cores : 1) + 2;
}

static const char server_xml[] =
    "<clickhouse>\n"
    "<mark_cache_size>67108864</mark_cache_size>\n"
    "<primary_index_cache_size>33554432</primary_index_cache_size>\n"
    "<index_mark_cache_size>8388608</index_mark_cache_size>\n"
    "<index_uncompressed_cache_size>0</index_uncompressed_cache_size>\n"
    "<mmap_cache_size>0</mmap_cache_size>\n"
    "<query_condition_cache_size>8388608</query_condition_cache_size>\n"
    "<background_pool_size>2</background_pool_size>\n"
    "<background_merges_mutations_concurrency_ratio>1</"
    "background_merges_mutations_concurrency_ratio>\n"
    "<background_schedule_pool_size>4</background_schedule_pool_size>\n"
    "<background_common_pool_size>2</background_common_pool_size>\n"
    "<background_move_pool_size>1</background_move_pool_size>\n"
    "<background_fetches_pool_size>1</background_fetches_pool_size>\n"
    "<background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>\n"
    "<background_message_broker_schedule_pool_size>1</"
    "background_message_broker_schedule_pool_size>\n"
    "<background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>\n"
    "<memory_worker_period_ms>500</memory_worker_period_ms>\n"
    "<max_thread_pool_size>512</max_thread_pool_size>\n"
    "<max_thread_pool_free_size>16</max_thread_pool_free_size>\n"
    "<merge_tree>\n"
    "  <fsync_after_insert>1</fsync_after_insert>\n"
    "  <fsync_part_directory>1</fsync_part_directory>\n"
    "  <min_rows_to_fsync_after_merge>1</min_rows_to_fsync_after_merge>\n"
    "  <non_replicated_deduplication_window>10000</non_replicated_deduplication_window>\n"
    "  <merge_selector_base>10</merge_selector_base>\n"
    "  <min_level_for_wide_part>1</min_level_for_wide_part>\n"
    "  <string_serialization_version>single_stream</string_serialization_version>\n"
    "  "
    "<number_of_free_entries_in_pool_to_execute_mutation>1</"
    "number_of_free_entries_in_pool_to_execute_mutation>\n"
    "  "
    "<number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</"
    "number_of_free_entries_in_pool_to_execute_optimize_entire_partition>\n"
    "  "
    "<number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</"
    "number_of_free_entries_in_pool_to_lower_max_size_of_merge>\n"
    "</merge_tree>\n"
    "<access_control_improvements>\n"
    "  <table_engines_require_grant>true</table_engines_require_grant>\n"
    "</access_control_improvements>\n";

/* The one user there can be (chdb knows no other) has what its roles have: all of it in a usual
 * session, the reader's alone after SET ROLE. The views it may read are made with SQL SECURITY
 * DEFINER, so that they, and not who asks, reach the tables behind them. */
static const char users_xml[] =
    "<roles><weir_all><grants>\n"
    "<query>GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, "
    "CREATE TEMPORARY TABLE, CREATE FUNCTION, DROP DATABASE, DROP TABLE, DROP VIEW, DROP FUNCTION, "
    "UNDROP TABLE, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY, dictGet, BACKUP ON *.*</query>\n"
    "<query>GRANT SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH, SYSTEM DROP CACHE ON "
    "*.*</query>\n"
    "<query>GRANT TABLE ENGINE ON *</query>\n"
    "</grants></weir_all>\n"
    "<" CONFINE_ROLE "><grants><query>GRANT SELECT ON " CONFINE_DATABASE ".*</query>"
    "</grants></" CONFINE_ROLE ">\n</roles>\n"
    "<users><default><password></password><networks><ip>::/0</ip></networks>"
    "<profile>default</profile><quota>default</quota>\n"
    "<grants><query>GRANT weir_all</query><query>GRANT " CONFINE_ROLE "</query>"
    "</grants></default></users>\n"
    "<quotas><default></default></quotas>\n"
    "</clickhouse>\n";

static void add_xml(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buf_add_str(b, "&lt;");
        else if (*text == '&')
            buf_add_str(b, "&amp;");
        else
            buf_add_char(b, *text);
    }
}

static enum rc write_file(const struct store_child_cfg *cfg, const char *name, struct buf *b,
                          struct err *err)
{
    char path[OS_PATH_MAX];
    ENSURE(buf_ok(b), err_set(err, RC_LIMIT, "the engine's configuration is too long"));
    return os_write_file_durable(os_path(path, "%s/etc/%s", cfg->data_dir, name), buf_slice(b),
                                 err);
}

static void add_profile(struct buf *b, const struct store_child_cfg *cfg)
{
    unsigned long long memory = engine_query_memory_max(cfg);
    unsigned seconds = engine_query_seconds_max(cfg);
    buf_addf(b,
             "<clickhouse><profiles><default>\n"
             "<max_memory_usage>%llu</max_memory_usage>\n"
             "<max_execution_time>%u</max_execution_time>\n"
             "<implicit_select>0</implicit_select>\n"
             "<allow_introspection_functions>0</allow_introspection_functions>\n"
             "<insert_deduplicate>1</insert_deduplicate>\n"
             "<async_insert>0</async_insert>\n"
             "<compile_expressions>0</compile_expressions>\n"
             "<compile_aggregate_expressions>0</compile_aggregate_expressions>\n"
             "<compile_sort_description>0</compile_sort_description>\n"
             "<merge_tree_max_rows_to_use_cache>1000000000000</merge_tree_max_rows_to_use_cache>\n"
             "<merge_tree_max_bytes_to_use_cache>1000000000000</merge_tree_max_bytes_to_use_cache>"
             "\n"
             "<output_format_parallel_formatting>0</output_format_parallel_formatting>\n",
             memory, seconds);
    buf_addf(b,
             "<constraints>"
             "<max_memory_usage><min>1000000</min><max>%llu</max></max_memory_usage>"
             "<max_execution_time><min>1</min><max>%u</max></max_execution_time>"
             "<async_insert><readonly/></async_insert>"
             "<allow_introspection_functions><readonly/></allow_introspection_functions>"
             "<log_comment><readonly/></log_comment>"
             "<fsync_metadata><readonly/></fsync_metadata>"
             "</constraints>\n</default></profiles>\n",
             memory, seconds);
}

enum rc engine_config_write(const struct store_child_cfg *cfg, struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 64 * 1024);
    TRY(os_mkdirs(os_path(path, "%s/etc", cfg->data_dir), err));
    buf_add_str(&b, server_xml);
    buf_addf(&b,
             "<uncompressed_cache_size>%llu</uncompressed_cache_size>\n"
             "<max_server_memory_usage>%llu</max_server_memory_usage>\n<users_config>",
             (unsigned long long)cache_bytes(cfg), (unsigned long long)engine_memory_max(cfg));
    add_xml(&b, os_path(path, "%s/etc/users.xml", cfg->data_dir));
    buf_add_str(&b, "</users_config>\n<backups><allowed_path>");
    add_xml(&b, os_path(path, "%s/backups/", cfg->data_dir));
    buf_add_str(&b, "</allowed_path></backups>\n</clickhouse>\n");
    TRY(write_file(cfg, "config.xml", &b, err));
    buf_clear(&b);
    add_profile(&b, cfg);
    buf_add_str(&b, users_xml);
    return write_file(cfg, "users.xml", &b, err);
}
