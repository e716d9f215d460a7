/*
 * hba.c: reads pg_hba.conf and pg_ident.conf with PostgreSQL's tokenizer and parser
 * into memory of our own. (load_hba() keeps its lines in a context that a background
 * worker no longer has.) A file with a mistake leaves the rules as they were.
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/memutils.h"

#include "private/compat/rules.h"
#include "private/rules.h"

/* The lines of a file, and the memory that holds them. */
typedef struct RuleFile
{
	MemoryContext context;		/* NULL: not loaded yet */
	List	   *lines;
} RuleFile;

static RuleFile hba;
static RuleFile ident;

/* Parses one line into the current memory context; NULL after logging what is wrong. */
typedef void *(*LineParser) (TokenizedAuthLine *line);

static void *
parse_hba(TokenizedAuthLine *line)
{
	return parse_hba_line(line, LOG);
}

static void *
parse_ident(TokenizedAuthLine *line)
{
	return parse_ident_line(line, LOG);
}

/* Parses all lines into the current memory context; false when one has a mistake. */
static bool
parse_lines(List *tokenized, LineParser parse, List **lines)
{
	bool		good = true;
	ListCell   *cell;

	foreach(cell, tokenized)
	{
		TokenizedAuthLine *line = lfirst(cell);
		void	   *parsed = line->err_msg ? NULL : parse(line);

		if (parsed)
			*lines = lappend(*lines, parsed);
		else
			good = false;
	}
	return good;
}

/* Reads a file and takes its lines in place of the old ones, if it has no mistake. */
static bool
load(const char *path, LineParser parse, bool may_be_empty, RuleFile *rules)
{
	CarpoolRuleFile file;
	List	   *tokenized = NIL;
	List	   *lines = NIL;
	MemoryContext context,
				old;
	bool		good;

	if (!carpool_rule_file_open(&file, path, &tokenized))
		return false;
	context = AllocSetContextCreate(TopMemoryContext, "carpool rules", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	good = parse_lines(tokenized, parse, &lines);
	MemoryContextSwitchTo(old);
	carpool_rule_file_close(&file);
	if (good && lines == NIL && !may_be_empty)
	{
		ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
					  errmsg("configuration file \"%s\" contains no entries", path)));
		good = false;
	}
	if (!good)
	{
		MemoryContextDelete(context);
		return false;
	}
	if (rules->context)
		MemoryContextDelete(rules->context);
	rules->context = context;
	rules->lines = lines;
	return true;
}

/* As load(), but an error (out of memory, say) is logged and keeps the old rules too. */
static void
load_guarded(const char *path, LineParser parse, bool may_be_empty, RuleFile *rules)
{
	MemoryContext old = CurrentMemoryContext;
	bool		loaded = false;

	PG_TRY();
	{
		loaded = load(path, parse, may_be_empty, rules);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	if (!loaded)
		ereport(LOG,
				(errmsg("carpool did not load \"%s\"", path),
				 rules->context ? errdetail("What it had read before stays in force.") :
				 may_be_empty ? 0 : errdetail("No client can log in until the file is right.")));
}

/* Reads both files; at the start and at each reload. Never throws. */
void
carpool_rules_load(void)
{
	load_guarded(HbaFileName, parse_hba, false, &hba);
	load_guarded(IdentFileName, parse_ident, true, &ident);
}

/* False until pg_hba.conf could be read once. */
bool
carpool_rules_loaded(void)
{
	return hba.context != NULL;
}

/* The lines of pg_hba.conf; valid until the next load. */
List *
carpool_hba_lines(void)
{
	return hba.lines;
}

/* The lines of pg_ident.conf; valid until the next load. */
List *
carpool_ident_lines(void)
{
	return ident.lines;
}

/* The name of the file a line is from, without its folder: clients may see it. */
const char *
carpool_line_file(const HbaLine *line)
{
	const char *path = carpool_hba_line_path(line);
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
