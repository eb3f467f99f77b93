#ifndef WEIR_APP_ERASE_H
#define WEIR_APP_ERASE_H
/* Wires the erasures (analytics/erase) to the streams, the archive and the consumers of a node. */
#include "app/node.h"

enum rc node_erase_start(struct node *n, struct err *err) MUST_CHECK;
#endif
