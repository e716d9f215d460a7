/*
 * scope.c: what ALTER ROLE / DATABASE … SET carpool.… says, kept parsed and checked
 * for changes at each login.
 *
 * The worker has no database, so it can open only the few shared catalogs whose
 * relation cache entries are built in; pg_db_role_setting is none of them. Its pages
 * are read through the buffer manager instead, as CREATE DATABASE reads the pg_class
 * of its template. Every change of a page moves the page's LSN, so what was parsed
 * stays good while all LSNs are the same and no transaction was at work on a row.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "private/compat/files.h"
#include "private/scope.h"

/* One value set for a database, a role, or a role in a database; 0 is any. */
typedef struct ScopedValue
{
	Oid			database;
	Oid			role;
	const CarpoolSettingInfo *info;
	double		value;
} ScopedValue;

/* What has been parsed, and how the table looked then. */
static MemoryContext cache_context;
static CarpoolScopedRow *rows;
static int	row_count,
			row_room;
static CarpoolFile cached_file;
static BlockNumber cached_blocks;
static XLogRecPtr *cached_lsns;
static ScopedValue *values;
static int	value_count,
			value_room;
static bool settled;			/* no transaction was at work on any row */
static SMgrRelation table;		/* else the file would be opened at each login */
static bool skipped_warned;

/* Reads a value the way PostgreSQL does; false when it is none or out of range. */
static bool
parse_value(const CarpoolSettingInfo *info, const char *text, double *value)
{
	const char *hint;
	int			whole;
	bool		truth;

	switch (info->kind)
	{
		case CARPOOL_KIND_BOOL:
			if (!parse_bool(text, &truth))
				return false;
			*value = truth;
			return true;
		case CARPOOL_KIND_INT:
			if (!parse_int(text, &whole, 0, &hint))
				return false;
			*value = whole;
			break;
		case CARPOOL_KIND_TIME:
			if (!parse_real(text, value, GUC_UNIT_S, &hint))
				return false;
			break;
		case CARPOOL_KIND_ENUM:
			for (int i = 0; info->choices[i]; i++)
				if (pg_strcasecmp(info->choices[i], text) == 0)
					return *value = i, true;
			return false;
		case CARPOOL_KIND_STRING:
			return false;		/* none has a scope */
	}
	return *value >= info->min && *value <= info->max;
}

/* Whether a setting may be set for this scope. */
static bool
allowed_for(const CarpoolSettingInfo *info, Oid database, Oid role)
{
	unsigned	scopes = info->flags & (CARPOOL_SET_DATABASE | CARPOOL_SET_USER);

	if (OidIsValid(database) && !OidIsValid(role))
		return scopes & CARPOOL_SET_DATABASE;
	if (OidIsValid(role) && !OidIsValid(database))
		return scopes & CARPOOL_SET_USER;
	return scopes != 0;
}

/* Keeps one NAME=VALUE if it is ours. */
static void
keep_setting(Oid database, Oid role, char *assignment)
{
	const char *prefix = "carpool.";
	char	   *sign = strchr(assignment, '=');
	const CarpoolSettingInfo *info;
	double		value;

	if (sign == NULL || pg_strncasecmp(assignment, prefix, strlen(prefix)) != 0)
		return;
	*sign = '\0';
	info = carpool_setting_find(assignment + strlen(prefix));
	if (info == NULL || !allowed_for(info, database, role) || !parse_value(info, sign + 1, &value))
		return;
	if (value_count == value_room)
	{
		value_room = Max(16, value_room * 2);
		values = values ? repalloc(values, value_room * sizeof(ScopedValue))
			: MemoryContextAlloc(cache_context, value_room * sizeof(ScopedValue));
	}
	values[value_count++] = (ScopedValue) {database, role, info, value};
}

/* Keeps a row as it is; config is NULL when it can't be read, of which then only the version is known. */
static void
copy_row(Oid database, Oid role, const ArrayType *config, Oid version)
{
	ArrayType  *copy = NULL;

	if (row_count == row_room)
	{
		row_room = Max(16, row_room * 2);
		rows = rows ? repalloc(rows, row_room * sizeof(CarpoolScopedRow))
			: MemoryContextAlloc(cache_context, row_room * sizeof(CarpoolScopedRow));
	}
	if (config != NULL)
	{
		copy = MemoryContextAlloc(cache_context, VARSIZE(config));
		memcpy(copy, config, VARSIZE(config));
	}
	rows[row_count++] = (CarpoolScopedRow) {database, role, copy, version};
}

/* The OID of a value that is stored outside its row: each change of it makes a new one. */
static Oid
version_of(Datum config)
{
	struct varatt_external pointer;

	VARATT_EXTERNAL_GET_POINTER(pointer, DatumGetPointer(config));
	return pointer.va_valueid;
}

/* Keeps a row, and what is ours of it also parsed. */
static void
keep_row(TupleDesc columns, HeapTuple tuple)
{
	bool		is_null;
	Form_pg_db_role_setting row = (Form_pg_db_role_setting) GETSTRUCT(tuple);
	Oid			database = row->setdatabase;
	Oid			role = row->setrole;
	Datum		config = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig, columns, &is_null);
	ArrayType  *array;
	Datum	   *items;
	int			count;

	if (is_null)
		return;
	if (VARATT_IS_EXTERNAL(DatumGetPointer(config)))
	{
		if (!skipped_warned)
			ereport(WARNING,
					(errmsg("carpool can't read the settings of role %u in database %u: they are too long",
							role, database)));
		skipped_warned = true;
		copy_row(database, role, NULL, version_of(config));
		return;
	}
	array = DatumGetArrayTypeP(config);
	copy_row(database, role, array, InvalidOid);
	deconstruct_array_builtin(array, TEXTOID, &items, NULL, &count);
	for (int i = 0; i < count; i++)
		keep_setting(database, role, TextDatumGetCString(items[i]));
}

/* Copies the rows of a page that the snapshot sees; the page is locked as short as can be. */
static List *
read_page(Buffer buffer, BlockNumber block, Snapshot snapshot)
{
	Page		page = BufferGetPage(buffer);
	List	   *rows = NIL;

	if (PageIsNew(page) || PageIsEmpty(page))
		return NIL;
	for (OffsetNumber at = FirstOffsetNumber; at <= PageGetMaxOffsetNumber(page); at++)
	{
		ItemId		item = PageGetItemId(page, at);
		HeapTupleData tuple;
		bool		seen;
		HTSV_Result state;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = DbRoleSettingRelationId;
		ItemPointerSet(&tuple.t_self, block, at);
		seen = HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer);
		state = HeapTupleSatisfiesVacuum(&tuple, FirstNormalTransactionId, buffer);
		if (seen)
			rows = lappend(rows, heap_copytuple(&tuple));
		if (seen ? state != HEAPTUPLE_LIVE : state != HEAPTUPLE_DEAD && state != HEAPTUPLE_RECENTLY_DEAD)
			settled = false;
	}
	return rows;
}

/*
 * The three columns of the table; none but built-in types can be looked up here, and 15 has no
 * oid among them, which takes the place of an integer.
 */
static TupleDesc
table_columns(void)
{
	TupleDesc	columns = CreateTemplateTupleDesc(Natts_pg_db_role_setting);

	TupleDescInitBuiltinEntry(columns, Anum_pg_db_role_setting_setdatabase, "setdatabase", INT4OID, -1, 0);
	TupleDescInitBuiltinEntry(columns, Anum_pg_db_role_setting_setrole, "setrole", INT4OID, -1, 0);
	TupleDescInitBuiltinEntry(columns, Anum_pg_db_role_setting_setconfig, "setconfig", TEXTARRAYOID, -1, 0);
	return columns;
}

/* Opens a page of the table for reading. */
static Buffer
open_page(CarpoolFile file, BlockNumber block)
{
	Buffer		buffer = ReadBufferWithoutRelcache(file, MAIN_FORKNUM, block, RBM_NORMAL, NULL, true);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	return buffer;
}

/* Whether the table is still as it was when it was parsed. */
static bool
unchanged(CarpoolFile file, BlockNumber blocks)
{
	bool		same = settled && CARPOOL_FILES_EQUAL(file, cached_file) && blocks == cached_blocks;

	for (BlockNumber block = 0; same && block < blocks; block++)
	{
		Buffer		buffer = open_page(file, block);

		same = PageGetLSN(BufferGetPage(buffer)) == cached_lsns[block];
		UnlockReleaseBuffer(buffer);
	}
	return same;
}

/* Orders values, or rows, by what both begin with: database and role. */
static int
compare_scopes(const void *one, const void *other)
{
	const Oid  *a = one;
	const Oid  *b = other;

	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return a[1] < b[1] ? -1 : a[1] > b[1];
}

/* Parses the whole table. */
static void
parse_table(CarpoolFile file, BlockNumber blocks)
{
	TupleDesc	columns = table_columns();
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ListCell   *cell;

	settled = false;			/* until it is parsed to the end */
	if (cache_context == NULL)
		cache_context =
			AllocSetContextCreate(TopMemoryContext, "carpool scoped settings", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(cache_context);
	values = NULL;
	value_count = value_room = 0;
	rows = NULL;
	row_count = row_room = 0;
	cached_file = file;
	cached_blocks = blocks;
	cached_lsns = MemoryContextAlloc(cache_context, Max(1, blocks) * sizeof(XLogRecPtr));
	settled = true;
	for (BlockNumber block = 0; block < blocks; block++)
	{
		Buffer		buffer = open_page(file, block);
		List	   *tuples = read_page(buffer, block, snapshot);

		cached_lsns[block] = PageGetLSN(BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
		foreach(cell, tuples)
			keep_row(columns, lfirst(cell));
	}
	UnregisterSnapshot(snapshot);
	if (value_count > 0)
		qsort(values, value_count, sizeof(ScopedValue), compare_scopes);
	if (row_count > 0)
		qsort(rows, row_count, sizeof(CarpoolScopedRow), compare_scopes);
}

/* Makes sure that values are those of now. */
void
carpool_scope_refresh(void)
{
	CarpoolFile file;
	BlockNumber blocks;

	/* the lock keeps VACUUM from moving or cutting the file, and brings its newest number */
	LockRelationOid(DbRoleSettingRelationId, AccessShareLock);
	file = carpool_shared_file(DbRoleSettingRelationId);
	blocks = smgrnblocks(carpool_keep_open(&table, file), MAIN_FORKNUM);
	if (!unchanged(file, blocks))
	{
		PG_TRY();
		{
			parse_table(file, blocks);
		}
		PG_CATCH();
		{
			settled = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	UnlockRelationOid(DbRoleSettingRelationId, AccessShareLock);
}

/* The place of the first value of a scope, or of a later one. */
static int
first_of(const ScopedValue *scope)
{
	int			low = 0;
	int			high = value_count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (compare_scopes(&values[middle], scope) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Puts the values of one scope into settings. */
static void
apply(Oid database, Oid role, CarpoolSettings *settings)
{
	ScopedValue scope = {.database = database, .role = role};

	for (int i = first_of(&scope); i < value_count && compare_scopes(&values[i], &scope) == 0; i++)
	{
		char	   *field = (char *) settings + values[i].info->offset;

		if (values[i].info->kind == CARPOOL_KIND_BOOL)
			*(bool *) field = values[i].value != 0;
		else if (values[i].info->kind == CARPOOL_KIND_TIME)
			*(double *) field = values[i].value;
		else
			*(int32_t *) field = (int32_t) values[i].value;
	}
}

/*
 * Overlays settings with those of a database and a role, the weakest first: ALTER ROLE
 * ALL, ALTER DATABASE, ALTER ROLE, ALTER ROLE IN DATABASE. In a transaction.
 */
void
carpool_scope_overlay(Oid database, Oid role, CarpoolSettings *settings)
{
	carpool_scope_refresh();
	if (value_count == 0)
		return;
	apply(InvalidOid, InvalidOid, settings);
	apply(database, InvalidOid, settings);
	apply(InvalidOid, role, settings);
	apply(database, role, settings);
}

const CarpoolScopedRow *
carpool_scope_row(Oid database, Oid role)
{
	CarpoolScopedRow scope = {.database = database, .role = role};

	return row_count > 0 ? bsearch(&scope, rows, row_count, sizeof(CarpoolScopedRow), compare_scopes) : NULL;
}
