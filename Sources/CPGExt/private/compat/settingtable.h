/*
 * settingtable.h: the table of all settings, guc.c's own, from which placeholders are taken out:
 * a hash table since 16, the array until 15.
 */
#ifndef CARPOOL_COMPAT_SETTINGTABLE_H
#define CARPOOL_COMPAT_SETTINGTABLE_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "private/compat/settings.h"

#if !CARPOOL_SETTINGS_ARE_ARRAY
typedef HTAB CarpoolGucTable;

/* An entry of the table, as guc.c declares it. */
typedef struct CarpoolGucEntry
{
	const char *name;
	struct config_generic *setting;
} CarpoolGucEntry;

typedef HASH_SEQ_STATUS CarpoolGucScan;

static inline long
carpool_guc_table_count(CarpoolGucTable *table)
{
	return hash_get_num_entries(table);
}

/* Goes through all, to the end. */
static inline void
carpool_guc_scan_begin(CarpoolGucScan *scan, CarpoolGucTable *table)
{
	hash_seq_init(scan, table);
}

static inline struct config_generic *
carpool_guc_scan_next(CarpoolGucScan *scan)
{
	CarpoolGucEntry *entry = hash_seq_search(scan);

	return entry != NULL ? entry->setting : NULL;
}

/* Takes one out; false: it isn't there. */
static inline bool
carpool_guc_table_remove(CarpoolGucTable *table, struct config_generic *setting)
{
	return hash_search(table, &setting->name, HASH_REMOVE, NULL) != NULL;
}

#else
/* num_guc_variables of guc.c. */
typedef int CarpoolGucTable;

typedef struct CarpoolGucScan
{
	int			next;
} CarpoolGucScan;

static inline long
carpool_guc_table_count(CarpoolGucTable *table)
{
	return *table;
}

static inline void
carpool_guc_scan_begin(CarpoolGucScan *scan, CarpoolGucTable *table)
{
	scan->next = 0;
}

static inline struct config_generic *
carpool_guc_scan_next(CarpoolGucScan *scan)
{
	return scan->next < GetNumConfigOptions() ? get_guc_variables()[scan->next++] : NULL;
}

/* settingarray.c */
extern bool carpool_guc_table_remove(CarpoolGucTable *table, struct config_generic *setting);
#endif

/*
 * settinghash.c, settingarray.c: looks for the table; known: where it was found. Returns NULL where
 * it isn't found. *memory gets the context that settings are in, NULL: none.
 */
extern CarpoolGucTable *carpool_guc_table_find(CarpoolGucTable *known, MemoryContext *memory);

#endif
