#ifndef WEIR_ANALYTICS_PROJECTOR_ACQUISITION_INT_H
#define WEIR_ANALYTICS_PROJECTOR_ACQUISITION_INT_H
/* Inside of acquisition: the query string (acquisition_query.c), the source (acquisition.c) and the
 * channel (acquisition_channel.c). */
#include "analytics/projector/acquisition.h"

/* What a click id says about the visit. SOURCE: only who sent the visitor, since posts of that
 * network carry it as its adverts do. */
enum click_means {
    CLICK_SOURCE,
    CLICK_PAID,
    CLICK_DISPLAY,
    CLICK_AFFILIATE,
    CLICK_EMAIL,
};
struct acquisition_click {
    struct slice name;   /* of the parameter, as the column shows it */
    struct slice source; /* whose it is; empty: many use it */
    enum source_group group;
    enum click_means means;
};

/* Lower case (ASCII) into space; empty if the text is longer. */
struct slice acquisition_lower(struct slice text, char space[ACQUISITION_VALUE_BYTES_MAX]);

struct channel_facts {
    struct slice source; /* referrer_source */
    enum source_group group;
    bool is_paid_tag;
    struct slice utm_source, medium, campaign; /* lower case */
    const struct acquisition_click *click;     /* NULL: none */
};
struct slice acquisition_channel(const struct channel_facts *facts); /* static text, never empty */
#endif
