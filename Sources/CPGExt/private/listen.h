/*
 * listen.h: a client listens without a backend of its own. One backend of its database, the
 * hub, reads PostgreSQL's queue of notifications for all of them and sends the worker what
 * is for whom. While the client is served its session has the list of its channels, so that
 * LISTEN and UNLISTEN work on it, but is no listener of PostgreSQL's. It becomes one when it
 * says LISTEN; at the end of that transaction the hub takes over, from the very place in the
 * queue to which the session has read.
 *
 * A client's channels are in its room (CARPOOL_ROOM_CHANNELS): its encoding, how many channels it
 * listens to, how many there are with those that it has left, and for each from which place in
 * the queue on the hub is to read, to which place, and its name. A channel that the client has
 * left stays in the list until the hub has read what was committed before.
 */
#ifndef CARPOOL_LISTEN_H
#define CARPOOL_LISTEN_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "asyncqueue.h"

typedef struct CarpoolChannel
{
	char	   *name;
	CarpoolPosition from;
	CarpoolPosition end;		/* page -1: the client has not left it */
} CarpoolChannel;

typedef struct CarpoolChannels
{
	int			encoding;		/* of the client */
	int			live;			/* channels that it has not left; they come first */
	int			count;
	CarpoolChannel *list;
} CarpoolChannels;

/* channels.c: the bytes for a client's room, none if there are no channels. */
extern void carpool_channels_write(StringInfo to, const CarpoolChannels *channels);

/* channels.c: reads what a client's room has into the current context; of left channels only the number. */
extern CarpoolChannels carpool_channels_read(uint64 client);

/* The same step by step: all but the list; then for each the channel, whose name goes into the buffer. */
extern CarpoolChannels carpool_channels_head(StringInfo bytes);
extern void carpool_channels_next(StringInfo bytes, CarpoolChannel *channel, char name[NAMEDATALEN]);

/*
 * listen.c: at the end of a transaction, before ReadyForQuery. True: the client has to keep
 * this backend, as there is no hub. client 0: nobody's.
 */
extern bool carpool_listen_ended(uint64 client);

/* After that: tells the worker that the client listens, if it does. */
extern void carpool_listen_report(void);

/* The session is no longer the client's that it was; and is this one's. Outside a transaction. */
extern void carpool_listen_drop(void);
extern void carpool_listen_load(uint64 client);

/* CledgerRoom.saves of the client's channels, as of what the session has. */
extern uint32 carpool_listen_saves;

/* Whether a notification that PostgreSQL has for this session is to go to its client: body as sent. */
extern bool carpool_listen_hears(const char *body);

/* hub.c: makes this backend its database's hub; an error ends it. */
extern void carpool_hub_start(void);

/* For a hub, when it was woken: reads the queue, answers who asked. */
extern void carpool_hub_serve(void);

/* The slot of this database's hub; 0: there is none. */
extern uint32 carpool_hub_find(void);

/* Asks the hub to tell the worker when it has read all that there is; the request's number. */
extern uint32 carpool_hub_ask(uint32 hub);

/* Whether the database's hub has read all that there was at a request; true where there is none. */
extern bool carpool_hub_has_read(uint32 request);

#endif
