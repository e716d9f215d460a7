/*
 * sequences_test.c: tries whether values of sequences can be carried. It puts aside what the
 * session holds meanwhile; it makes no sequence, and takes no number of one.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "private/selftest.h"
#include "private/sequences.h"
#include "private/state.h"

#define MOST_TRIED 8			/* sequences looked at for one that nobody has locked */

/* Enters an entry with two numbers left over: 44 and 47. */
static CarpoolSequence *
enter(Oid relid, CarpoolFileNumber filenumber)
{
	CarpoolSequence *entry;

	if (*carpool_sequence_table == NULL)
		*carpool_sequence_table = carpool_sequences_make_table();
	entry = hash_search(*carpool_sequence_table, &relid, HASH_ENTER, NULL);
	*entry = (CarpoolSequence)
	{
		.relid = relid, .filenumber = filenumber, .lxid = InvalidLocalTransactionId,
		.last_valid = true, .last = 41, .cached = 47, .increment = 3
	};
	return entry;
}

/* Runs a part in a subtransaction that is rolled back; errors end there. */
static void
attempt(void (*part) (Oid), Oid relid)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	bool		was_read_only = XactReadOnly;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		part(relid);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	XactReadOnly = was_read_only;
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static void
ask_currval(Oid relid)
{
	(void) DirectFunctionCall1(currval_oid, ObjectIdGetDatum(relid));
}

/* Hands out a number left over: nothing is written, though the transaction may have to be told. */
static void
ask_nextval(Oid relid)
{
	XactReadOnly = false;
	(void) nextval_internal(relid, false);
}

/* PostgreSQL must use the table we made, and find the entry of a sequence that doesn't exist. */
static bool
uses_our_table(void)
{
	CarpoolSequence *entry;
	bool		result;

	ResetSequenceCaches();
	entry = enter(InvalidOid, 77);
	attempt(ask_currval, InvalidOid);
	/* it notes its lock, and fails after that */
	result = *carpool_sequence_table != NULL && hash_get_num_entries(*carpool_sequence_table) == 1 &&
		entry->lxid != InvalidLocalTransactionId && entry->filenumber == 77 && entry->last_valid &&
		entry->last == 41 && entry->cached == 47 && entry->increment == 3;
	ResetSequenceCaches();
	return result && *carpool_sequence_table == NULL;
}

/* Whether contents go from session to session, whatever they are. */
static bool
carries(void)
{
	const CarpoolStateKind *kind = &carpool_sequences_state;
	StringInfoData bytes;
	uint64		with_last;
	uint64		without;
	CarpoolSequence *entry = enter(FirstNormalObjectId - 1, 77);
	bool		result;

	without = kind->fingerprint();
	*carpool_sequence_last = entry;
	with_last = kind->fingerprint();
	initStringInfo(&bytes);
	kind->save(&bytes);
	kind->reset();
	result = without != 0 && with_last != 0 && with_last != without && kind->fingerprint() == 0 &&
		*carpool_sequence_last == NULL;
	kind->load(&bytes);
	result &= kind->fingerprint() == with_last && bytes.cursor == bytes.len;
	kind->reset();
	pfree(bytes.data);
	return result;
}

/* A sequence that is there and that nobody alters now: locked, with its file. Or InvalidOid. */
static Oid
some_sequence(CarpoolFileNumber *filenumber)
{
	Relation	sequences = table_open(SequenceRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(sequences, InvalidOid, false, NULL, 0, NULL);
	Oid			found = InvalidOid;

	for (int i = 0; i < MOST_TRIED && !OidIsValid(found); i++)
	{
		HeapTuple	row = systable_getnext(scan);
		HeapTuple	tuple;
		Oid			relid;

		if (!HeapTupleIsValid(row))
			break;
		relid = ((Form_pg_sequence) GETSTRUCT(row))->seqrelid;
		if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
			continue;
		tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
		if (!HeapTupleIsValid(tuple))
			continue;
		*filenumber = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
		if (((Form_pg_class) GETSTRUCT(tuple))->relpersistence != RELPERSISTENCE_TEMP)
			found = relid;
		ReleaseSysCache(tuple);
	}
	systable_endscan(scan);
	table_close(sequences, AccessShareLock);
	return found;
}

/* With a sequence, if there is one: it must hand out our numbers, and be the one used last. */
static bool
hands_out(void)
{
	CarpoolFileNumber filenumber = 0;
	Oid			relid;
	CarpoolSequence *entry;
	bool		result;

	if (RecoveryInProgress())
		return true;
	relid = some_sequence(&filenumber);
	if (!OidIsValid(relid))
		return true;
	entry = enter(relid, filenumber);
	attempt(ask_nextval, relid);
	result = *carpool_sequence_last == entry && entry->last == 44 && entry->cached == 47 && entry->last_valid;
	ResetSequenceCaches();
	return result;
}

bool
carpool_sequences_self_test(StringInfo why)
{
	const CarpoolStateKind *kind = &carpool_sequences_state;
	StringInfoData kept;
	const char *failed = NULL;
	bool		has_any;

	if (!carpool_sequences_find(why))
		return false;
	initStringInfo(&kept);
	has_any = kind->fingerprint() != 0;
	if (has_any)
		kind->save(&kept);
	if (!uses_our_table())
		failed = "the table of sequences is not as expected";
	else if (!carries())
		failed = "values of sequences are not carried";
	else if (!hands_out())
		failed = "a sequence does not go on from the values carried";
	kind->reset();
	if (has_any)
		kind->load(&kept);
	pfree(kept.data);
	if (failed)
		appendStringInfoString(why, failed);
	return failed == NULL;
}
