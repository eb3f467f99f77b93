#ifndef WEIR_WEB_WEB_INT_H
#define WEIR_WEB_WEB_INT_H
/* Inside web/ only: the files, from web/tracker/build.mjs. */
#include <stdint.h>

struct web_file {
    const uint8_t *plain, *gzip;
    uint32_t plain_len, gzip_len;
};
extern const struct web_file web_file_weir, web_file_vitals, web_file_plausible, web_file_umami,
    web_file_web_vitals, web_file_posthog_array, web_file_posthog_web_vitals,
    web_file_posthog_attribution, web_file_posthog_exceptions, web_file_posthog_dead_clicks;
#endif
