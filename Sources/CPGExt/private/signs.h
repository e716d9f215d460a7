/* signs.h: what hooks have seen of a session that may pin its client to its backend. */
#ifndef CARPOOL_SIGNS_H
#define CARPOOL_SIGNS_H

#include "postgres.h"

/* Set by hooks as soon as something may have begun; the looks of pins/ take them back. */
typedef struct CarpoolSigns
{
	bool		listens;		/* a LISTEN was executed */
	bool		has_slots;		/* a replication slot was created */
	bool		temporary_touched;	/* temporary objects may be others than at the last look, */
	bool		has_temporary;	/* as of which there were some */
	uint32		lasting;		/* CLEDGER_PIN_… that stay until the client leaves */
} CarpoolSigns;

extern CarpoolSigns carpool_signs;

#endif
