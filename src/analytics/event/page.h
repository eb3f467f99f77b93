#ifndef WEIR_ANALYTICS_EVENT_PAGE_H
#define WEIR_ANALYTICS_EVENT_PAGE_H
/* A page's path and a screen's width as reports group them; docs/definitions.md ("Page path",
 * "Screen class"). Pure; any bytes may come in. Thread: any. */
#include "base/arena.h"
#include "base/slice.h"

enum { PAGE_PATH_BYTES_MAX = 2000 };

/* One spelling for each page. Points into path, or into the arena if something had to be changed;
 * empty if the arena is full. At most PAGE_PATH_BYTES_MAX bytes, whole characters, valid UTF-8 if
 * path begins with '/' or is. What comes out, put in again, comes out the same. */
struct slice page_path_normal(struct slice path, struct arena *scratch);

/* "mobile", "tablet", "laptop", "desktop" (static text) by CSS pixels; empty for 0. */
struct slice page_screen_class(uint32_t width);
#endif
