/*
 * libraries.c: loads, in each backend of a pool and before that serves another client, what the
 * others have loaded. PostgreSQL loads a library when it first needs a function of it; from then
 * on the session has the library's settings, checked and in pg_settings. The list of libraries is
 * in shared memory and only grows.
 *
 * A library that a client LOADs is not one of these: what it does it does for that client
 * alone, which keeps its backend (commands.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "private/backend.h"
#include "private/environment.h"
#include "private/ledger.h"
#include "private/pins.h"
#include "private/placeholders.h"
#include "private/session.h"

/* An entry of the list, in the area of the saved sessions. */
typedef struct Library
{
	dsa_pointer next;
	Oid			database;		/* of the pool */
	Oid			role;			/* InvalidOid: several roles share it */
	char		name[FLEXIBLE_ARRAY_MEMBER];
} Library;

static Size known_size;			/* of the names of the libraries in this backend; 0: not known */
static uint32 known_entries;	/* CledgerHeader.libraries: so many have been looked at */

bool
carpool_libraries_behind(void)
{
	return carpool_ledger->libraries != known_entries;
}

/* The role that this backend's pool is for. */
static Oid
pool_role(void)
{
	const CledgerServer *server = carpool_agent_server();

	return server->is_shared ? InvalidOid : server->role;
}

/* Whether one of this pool's entries has a name. The lock is held. */
static bool
is_listed(dsa_area *area, const char *name)
{
	dsa_pointer at = (dsa_pointer) carpool_ledger->library_list;

	while (DsaPointerIsValid(at))
	{
		const Library *library = dsa_get_address(area, at);

		if (library->database == MyDatabaseId && library->role == pool_role() &&
			strcmp(library->name, name) == 0)
			return true;
		at = library->next;
	}
	return false;
}

/* Adds a library to the list. */
static void
list_library(dsa_area *area, const char *name)
{
	dsa_pointer made = dsa_allocate(area, offsetof(Library, name) + strlen(name) + 1);
	Library    *library = dsa_get_address(area, made);
	bool		known;

	library->database = MyDatabaseId;
	library->role = pool_role();
	strcpy(library->name, name);
	HOLD_INTERRUPTS();
	LWLockAcquire(carpool_saved_lock(), LW_EXCLUSIVE);
	known = is_listed(area, name);
	if (!known)
	{
		library->next = (dsa_pointer) carpool_ledger->library_list;
		carpool_ledger->library_list = (uint64) made;
		carpool_ledger->libraries++;
	}
	LWLockRelease(carpool_saved_lock());
	RESUME_INTERRUPTS();
	if (known)
		dsa_free(area, made);
}

/* At the end of a transaction: what it has loaded is listed. */
void
carpool_libraries_ended(void)
{
	Size		size = EstimateLibraryStateSpace();
	dsa_area   *area;
	char	   *names;

	if (likely(size == known_size) || carpool_pins_indelible() != 0)
		return;
	/* at the end of the login: preloaded, and so in every backend */
	if (known_size == 0)
	{
		known_size = size;
		return;
	}
	/* a placeholder may be a library's setting by now */
	carpool_environment_forget();
	carpool_placeholders_look_again();
	area = carpool_saved_area(true);
	names = carpool_loaded_libraries();
	/* in the order in which they were loaded, and the NUL at the end has been counted */
	for (const char *name = names + known_size - 1; *name != '\0'; name += strlen(name) + 1)
		list_library(area, name);
	pfree(names);
	known_size = size;
}

/* The names of this pool's libraries. */
static List *
listed_names(void)
{
	dsa_area   *area = carpool_saved_area(false);
	List	   *names = NIL;

	LWLockAcquire(carpool_saved_lock(), LW_SHARED);
	for (dsa_pointer at = (dsa_pointer) carpool_ledger->library_list; area != NULL && DsaPointerIsValid(at);)
	{
		const Library *library = dsa_get_address(area, at);

		if (library->database == MyDatabaseId && library->role == pool_role())
			names = lcons(pstrdup(library->name), names);
		at = library->next;
	}
	known_entries = carpool_ledger->libraries;
	LWLockRelease(carpool_saved_lock());
	return names;
}

/* Loads one; a library that is there already is left alone. The log says where it can't. */
static void
load(const char *name)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		load_file(name, false);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		ereport(LOG,
				(errmsg("carpool agent: a library that another backend has cannot be loaded: %s",
						error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

void
carpool_libraries_load(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "carpool libraries", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *names = listed_names();
	ListCell   *cell;

	foreach(cell, names)
		load(lfirst(cell));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (carpool_pins_indelible() == 0)
		known_size = EstimateLibraryStateSpace();
}
