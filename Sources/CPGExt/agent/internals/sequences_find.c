/*
 * sequences_find.c: finds the two static variables of sequence.c, the hash table and the entry
 * used last. ResetSequenceCaches() sets both to NULL, and without a table it does nothing else:
 * that tells them from all others. It takes no sequence and no number.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/sequence.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "private/dynahash.h"
#include "private/sequences.h"
#include "private/variables.h"

/* Variables of one source file are neighbours; this many words before and after are looked at. */
#define NEIGHBOURS 512
#define MOST_CANDIDATES 16

HTAB	  **carpool_sequence_table;
CarpoolSequence **carpool_sequence_last;

HTAB *
carpool_sequences_make_table(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(CarpoolSequence)};

	return hash_create(SEQUENCES_TABLE, 16, &control, HASH_ELEM | HASH_BLOBS);
}

/* What was in the session before: the table's entries, and where they were. */
typedef struct Kept
{
	int			count;
	CarpoolSequence *entries;
	CarpoolSequence **addresses;
	void	  **words;			/* copy of all variables */
} Kept;

/* Makes PostgreSQL make its table: by a question about a sequence that doesn't exist. */
static void
provoke_table(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		(void) DirectFunctionCall1(currval_oid, ObjectIdGetDatum(InvalidOid));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static void
keep(HTAB *table, const CarpoolVariables *variables, Kept *kept)
{
	HASH_SEQ_STATUS scan;
	CarpoolSequence *entry;
	long		room = hash_get_num_entries(table) + 1;
	Size		size = (char *) variables->end - (char *) variables->first;

	kept->count = 0;
	kept->entries = palloc(room * sizeof(CarpoolSequence));
	kept->addresses = palloc(room * sizeof(CarpoolSequence *));
	kept->words = palloc(size);
	memcpy(kept->words, variables->first, size);
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		kept->entries[kept->count] = *entry;
		kept->addresses[kept->count++] = entry;
	}
}

/* The entry used last was where the variable pointed to at the time. */
static void
put_back(const Kept *kept, const CarpoolVariables *variables)
{
	void	   *last = kept->words[(void **) carpool_sequence_last - variables->first];
	HTAB	   *table = NULL;

	for (int i = 0; i < kept->count; i++)
	{
		CarpoolSequence *entry;

		if (!kept->entries[i].last_valid)
			continue;
		if (table == NULL)
			table = *carpool_sequence_table = carpool_sequences_make_table();
		entry = hash_search(table, &kept->entries[i].relid, HASH_ENTER, NULL);
		*entry = kept->entries[i];
		if (kept->addresses[i] == last)
			*carpool_sequence_last = entry;
	}
}

/* The variable that points to the table, and to nothing when the caches are reset. Resets them. */
static HTAB **
find_table(HTAB *table, const CarpoolVariables *variables)
{
	void	  **candidates[MOST_CANDIDATES];
	int			count = 0;
	HTAB	  **found = NULL;

	for (void **word = variables->first; word < variables->end; word++)
		if (*word == table && count < MOST_CANDIDATES)
			candidates[count++] = word;
	ResetSequenceCaches();
	for (int i = 0; i < count; i++)
	{
		if (*candidates[i] != NULL)
			continue;
		if (found != NULL)
			return NULL;
		found = (HTAB **) candidates[i];
	}
	return found;
}

/*
 * The variable that ResetSequenceCaches() clears, besides the table's, which is clear: all
 * clear words nearby are set for as long as that call takes. Nothing else runs meanwhile:
 * there is no other thread, and signals wait. The call has been made before, so that the
 * dynamic linker isn't at work in it.
 */
static CarpoolSequence **
find_last(HTAB **table, const CarpoolVariables *variables)
{
	void	  **first = Max(variables->first, (void **) table - NEIGHBOURS);
	void	  **end = Min(variables->end, (void **) table + NEIGHBOURS);
	bool		was_set[2 * NEIGHBOURS] = {false};
	void	  **found = NULL;
	int			count = 0;
	sigset_t	all;
	sigset_t	before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	for (void **word = first; word < end; word++)
		if (*word == NULL && word != (void **) table)
		{
			was_set[word - first] = true;
			*word = &all;
		}
	ResetSequenceCaches();
	for (void **word = first; word < end; word++)
	{
		if (!was_set[word - first])
			continue;
		if (*word == NULL)
		{
			found = word;
			count++;
		}
		*word = NULL;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return count == 1 ? (CarpoolSequence **) found : NULL;
}

bool
carpool_sequences_find(StringInfo why)
{
	CarpoolVariables variables = carpool_variables();
	HTAB	   *table = carpool_hash_find(SEQUENCES_TABLE);
	HTAB	  **at;
	CarpoolSequence **last_at;
	Kept		kept;

	if (carpool_sequence_last)
		return true;
	if (table == NULL)
		provoke_table();
	table = carpool_hash_find(SEQUENCES_TABLE);
	if (table == NULL)
	{
		appendStringInfoString(why, "the table of sequences is not found");
		return false;
	}
	keep(table, &variables, &kept);
	at = find_table(table, &variables);
	last_at = at ? find_last(at, &variables) : NULL;
	if (last_at)
	{
		carpool_sequence_table = at;
		carpool_sequence_last = last_at;
		put_back(&kept, &variables);
	}
	else
		appendStringInfoString(why, "the variables of sequences are not found");
	pfree(kept.entries);
	pfree(kept.addresses);
	pfree(kept.words);
	return last_at != NULL;
}
