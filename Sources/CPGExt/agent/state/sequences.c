/*
 * sequences.c: carries currval() and lastval(), and numbers that the client's session has taken
 * from a sequence (CACHE) and not yet handed out. It saves PostgreSQL's own table of them, and
 * makes it again as it is: what became of a sequence in the meantime is found out by PostgreSQL
 * when the client uses it, as on a direct connection.
 */
#include "postgres.h"

#include "commands/sequence.h"

#include "cledger.h"
#include "private/dynahash.h"
#include "private/sequences.h"
#include "private/state.h"
#include "private/statebytes.h"

/* The table, or NULL when the session has none. */
static HTAB *
table_now(void)
{
	return carpool_sequence_table ? *carpool_sequence_table : NULL;
}

#define VALUES 5

/*
 * The contents of an entry that count, and how many they are; the rest is 0. The file and
 * the steps mean something only while numbers are left over; PostgreSQL sets the file anew
 * whenever it looks at the entry.
 */
static int
read_entry(const CarpoolSequence *entry, uint64 *values)
{
	bool		has_numbers = entry->last != entry->cached;

	values[0] = entry->relid | (uint64) (entry == *carpool_sequence_last) << 32;
	values[1] = (uint64) entry->last;
	values[2] = has_numbers ? (uint64) entry->cached : 0;
	values[3] = has_numbers ? entry->filenumber : 0;
	values[4] = has_numbers ? (uint64) entry->increment : 0;
	return has_numbers ? VALUES : 2;
}

static uint64
fingerprint(void)
{
	HTAB	   *table = table_now();
	HASH_SEQ_STATUS scan;
	CarpoolSequence *entry;
	uint64		sum = 0;
	bool		has_any = false;

	if (carpool_sequence_last == NULL)
		return carpool_hash_find(SEQUENCES_TABLE) != NULL;	/* not carried, but told of */
	if (table == NULL || hash_get_num_entries(table) == 0)
		return 0;
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		uint64		values[VALUES];
		int			count;

		if (!entry->last_valid)
			continue;
		count = read_entry(entry, values);
		sum += carpool_fingerprint(count, values, count * sizeof(values[0]));
		has_any = true;
	}
	return has_any && sum == 0 ? 1 : sum;
}

static void
save(StringInfo to)
{
	HASH_SEQ_STATUS scan;
	CarpoolSequence *entry;

	hash_seq_init(&scan, table_now());
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		uint64		values[VALUES];

		if (!entry->last_valid)
			continue;
		(void) read_entry(entry, values);
		for (int i = 0; i < VALUES; i++)
			carpool_put_uint64(to, values[i]);
	}
	carpool_put_uint64(to, InvalidOid);
}

static void
load(StringInfo from)
{
	HTAB	   *table = table_now();
	uint64		first;

	if (table == NULL)
		table = *carpool_sequence_table = carpool_sequences_make_table();
	while ((first = carpool_get_uint64(from)) != InvalidOid)
	{
		Oid			relid = (Oid) first;
		CarpoolSequence *entry = hash_search(table, &relid, HASH_ENTER, NULL);
		int64		cached;

		entry->last = (int64) carpool_get_uint64(from);
		cached = (int64) carpool_get_uint64(from);
		entry->filenumber = (CarpoolFileNumber) carpool_get_uint64(from);
		entry->increment = (int64) carpool_get_uint64(from);
		/* nothing left over was written as 0 */
		entry->cached = entry->increment != 0 ? cached : entry->last;
		entry->lxid = InvalidLocalTransactionId;
		entry->last_valid = true;
		if (first >> 32)
			*carpool_sequence_last = entry;
	}
}

const CarpoolStateKind carpool_sequences_state = {
	.name = "sequences",
	.pin = CLEDGER_PIN_SEQUENCE,
	.fingerprint = fingerprint,
	.save = save,
	.load = load,
	.reset = ResetSequenceCaches,
};
