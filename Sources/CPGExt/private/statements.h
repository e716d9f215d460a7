/*
 * statements.h: prepared statements that follow their client. A statement is an entry of
 * PostgreSQL's "Prepared Queries" table: a name, a time and a plan source (plans.h).
 */
#ifndef CARPOOL_STATEMENTS_H
#define CARPOOL_STATEMENTS_H

#include "postgres.h"

#include "commands/prepare.h"
#include "lib/stringinfo.h"
#include "utils/hsearch.h"

#include "plans.h"

#define CARPOOL_STATEMENTS_TABLE "Prepared Queries"

/*
 * Before the body of each saved statement, or alone: the statement of this name was dropped.
 * What is saved is a list of such, to which changes are added.
 */
typedef struct CarpoolStatementHeader
{
	uint64		fingerprint;	/* of the statement; 0: dropped */
	uint64		content;		/* fingerprint of the body */
	TimestampTz prepared;
	NameData	name;
	uint32		size;			/* of the body */
	uint32		unused;
	TimestampTz moment;			/* CarpoolPlan's */
} CarpoolStatementHeader;

/* Names of statements. */
typedef struct CarpoolStatementNames
{
	NameData   *names;
	int			count;
} CarpoolStatementNames;

/*
 * table.c: the statements that are counted, as the session held them when it was looked at last.
 * A statement never changes; one that goes takes its plan source along, which is noticed, and
 * the names of new ones are noted when they come.
 */
typedef struct CarpoolHeldStatements
{
	HTAB	   *table;			/* name to PreparedStatement; NULL: nobody has prepared anything here */
	HTAB	  **place;			/* PostgreSQL's variable that points to it; NULL: not found */
	long		count;
	uint64		sum;			/* of the fingerprints */
	Size		size;			/* of what saves them */
	CarpoolStatementNames fresh;	/* that came since */

	/* What has changed since they were saved or loaded. */
	CarpoolStatementNames added;
	CarpoolStatementNames gone;
	bool		is_changed_unseen;	/* it is not known what */
} CarpoolHeldStatements;

extern CarpoolHeldStatements carpool_held_statements;

extern void carpool_statement_names_add(CarpoolStatementNames *names, const char *name);

/* table.c: PostgreSQL's table; NULL: there is none yet. find: where it is not known. */
extern HTAB *carpool_statements_find_table(void);

static inline HTAB *
carpool_statements_table(void)
{
	return carpool_held_statements.table != NULL ? carpool_held_statements.table
												 : carpool_statements_find_table();
}

/* table.c: looks for PostgreSQL's pointer to the table, name being a statement that is there. */
extern void carpool_statements_find_place(const char *name);

/* table.c: counts a statement that is in the table, or no more. anew: none is counted. */
extern void carpool_statement_count(PreparedStatement *statement, CarpoolPlan *plan, uint64 fingerprint);
extern void carpool_statement_uncount(CarpoolPlan *plan);
extern void carpool_statements_count_anew(void);

/* table.c: PostgreSQL has freed a plan source that is not idle. */
extern void carpool_statement_dropped(CarpoolPlan *plan);

/* table.c: what is held is what is saved. */
extern void carpool_statements_note_saved(void);

/* statements_load.c: puts a saved statement into PostgreSQL's table, and takes one out of it. */
extern CarpoolPlan *carpool_statement_attach(const CarpoolSavedStatement *saved, uint64 environment);
extern void carpool_statement_detach(PreparedStatement *statement, uint64 environment);

/* statements_load.c: what statements.c has written. */
extern void carpool_statements_load(StringInfo from);
extern void carpool_statements_load_changes(StringInfo from);

/*
 * statements.c: whether there is something to be freed that no client needs any more; frees a
 * little of it, outside of a transaction.
 */
extern bool carpool_statements_are_untidy(void);
extern void carpool_statements_tidy(void);

#endif
