/* mailbox.h: questions and log lines on their way from engine threads to the main thread. */
#ifndef CARPOOL_MAILBOX_H
#define CARPOOL_MAILBOX_H

#include "chost.h"

/* Main thread. */
extern void carpool_mailbox_open(void);
extern int	carpool_mailbox_fd(void);
extern bool carpool_mailbox_take(CarpoolQuestion *question);
extern void carpool_mailbox_log(void);

/* Any thread; no PostgreSQL function is called. */
extern int	carpool_mailbox_ask(void *context, const CarpoolQuestion *question, CarpoolAnswer *answer);
extern void carpool_mailbox_say(void *context, CarpoolLogLevel level, const char *line);
extern void carpool_mailbox_wake(void);

/* A non-blocking eventfd; raises an error if there is none. */
extern int	carpool_eventfd_open(void);

#endif
