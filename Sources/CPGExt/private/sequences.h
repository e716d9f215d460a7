/* sequences.h: what a session keeps of sequences (static variables of PostgreSQL's sequence.c). */
#ifndef CARPOOL_SEQUENCES_H
#define CARPOOL_SEQUENCES_H

#include "postgres.h"

#include "common/relpath.h"
#include "lib/stringinfo.h"
#include "storage/lock.h"
#include "utils/hsearch.h"

#include "private/compat/files.h"

/* As SeqTableData of sequence.c. */
typedef struct CarpoolSequence
{
	Oid			relid;			/* key */
	CarpoolFileNumber filenumber;	/* file in which cached numbers were counted */
	LocalTransactionId lxid;	/* transaction that holds a lock on it */
	bool		last_valid;		/* currval() is defined */
	int64		last;			/* what currval() answers */
	int64		cached;			/* numbers up to this one are ours to hand out */
	int64		increment;		/* in steps of this; not set while none are */
} CarpoolSequence;

/* The name it has. */
#define SEQUENCES_TABLE "Sequence values"

/* Where PostgreSQL keeps its table, NULL when there is none, and the entry lastval() is about. */
extern HTAB **carpool_sequence_table;
extern CarpoolSequence **carpool_sequence_last;

/* A new table, as PostgreSQL makes it when it needs one. */
extern HTAB *carpool_sequences_make_table(void);

/*
 * sequences_find.c: finds the two variables, once in a backend, in a transaction. What the
 * session holds stays. False: they can't be found, and why is appended.
 */
extern bool carpool_sequences_find(StringInfo why);

#endif
