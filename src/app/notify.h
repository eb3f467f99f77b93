#ifndef WEIR_APP_NOTIFY_H
#define WEIR_APP_NOTIFY_H
/* sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET; nothing happens without it. */
void notify_systemd(const char *state); /* "READY=1", "STOPPING=1", "STATUS=…" */
#endif
