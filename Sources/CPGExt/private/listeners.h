/*
 * listeners.h: who listens to which channel in the hub's database, as the hub last read it
 * from the ledger. A change costs what has changed, and one compare of the bytes of the
 * client that changed it; finding a channel's listeners costs the same however many
 * channels there are.
 */
#ifndef CARPOOL_LISTENERS_H
#define CARPOOL_LISTENERS_H

#include "postgres.h"

#include "lib/ilist.h"

#include "asyncqueue.h"

/* A client that listens to a channel. */
typedef struct CarpoolListener
{
	dlist_node	node;			/* in the channel's list */
	struct CarpoolChannelListeners *channel;
	uint32		slot;			/* of the client */
	uint32		pass;			/* the hub's, in which it came */
	uint32		changed;		/* the hub's, in which it came or its client left */
	CarpoolPosition from;		/* the place from which on it is to hear */
	CarpoolPosition end;		/* to which place, if its client has left the channel; else page -1 */
	bool		is_gone;		/* only while its client's channels are read */
} CarpoolListener;

/* Brings all up to date with the ledger. */
extern void carpool_listeners_refresh(void);

/* Calls visit for each listener of a channel. */
extern void carpool_listeners_of(const char *channel, void (*visit) (const CarpoolListener *listener));

/* The client of a listener: its reference in the ledger, process id and encoding. */
typedef struct CarpoolListeningClient
{
	uint64		reference;
	uint32		process_id;
	int			encoding;
} CarpoolListeningClient;

extern CarpoolListeningClient carpool_listeners_client(const CarpoolListener *listener);

/*
 * Those that have come since the last pass may have to hear from a place on that others have
 * left behind. The first of these places; false: there is none. end_pass: they have heard all
 * that the others have.
 */
extern bool carpool_listeners_first(CarpoolPosition *first);
extern bool carpool_listeners_is_new(const CarpoolListener *listener);

/*
 * Whether a listener's client had left the channel when the notification at a place was committed.
 * What the first pass that knows of the leaving can't read yet is committed after it.
 */
extern bool carpool_listeners_has_left(const CarpoolListener *listener, CarpoolPosition at);
extern void carpool_listeners_end_pass(void);

#endif
