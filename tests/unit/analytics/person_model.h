#ifndef WEIR_TEST_PERSON_MODEL_H
#define WEIR_TEST_PERSON_MODEL_H
/* Persons as docs/definitions.md, "Person", says: the events are gone through one by one in their
 * order, and each does what the definition says. No code or SQL of the program is used. */
#include "base/buf.h"

/* Before era 1, who was not heard of since `cut` (ms; 0: no limit) is forgotten: events of era 0 do
 * not name any of their ids.
 * What the model wants to know of the events, TabSeparatedRaw in this order. Texts of tests hold no
 * tabs, and traits are flat objects without commas or colons in texts. */
#define PERSON_MODEL_EVENTS                                                                        \
    "toString(project_id), toUnixTimestamp64Milli(timestamp), toString(id), stream_offset, kind, " \
    "user_id, anonymous_id, previous_id, group_type, group_id, groups, traits, "                   \
    "traits_once, era" /* and cut */

/* Lines, not sorted:
 *   id      project, id, smallest id of the person, id that stands for it ("-": none is known)
 *   seen    project, id, first and last ms (0 0: never), whether it was a user
 *   trait   project, smallest id of the person, name, value
 *   member  project, smallest id of the person, type, group
 *   group   project, type, group, first and last ms
 *   gtrait  project, type, group, name, value
 * events is changed (cut into texts). */
void person_model(struct buf *events, struct buf *out);
#endif
