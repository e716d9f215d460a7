/*
 * planbody.c: writes a plan source as bytes, and makes it again from them.
 *
 * Made again, it is as PostgreSQL leaves one after an object in it has changed: complete but
 * not valid. Its first use analyses the text with the parameter types given here and compares
 * what it returns with what it returned when the client prepared it; so errors come where,
 * when and as the client would get them on a connection of its own.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

#include "private/plans.h"

/* What a body starts with; then parameter types, columns, and the text with its NUL. */
typedef struct Fixed
{
	int32		location;		/* of the statement in the text */
	int32		length;
	int32		cursor_options;
	int32		parameters;
	int32		columns;		/* -1: returns no rows */
	uint32		columns_size;	/* bytes of all */
	Oid			row_type;
	bool		from_sql;		/* by PREPARE: the text contains that */
	bool		is_result_fixed;
	bool		standard_strings;	/* standard_conforming_strings: how the text is read */
	char		backslash;		/* backslash_quote */
} Fixed;

/* Before each column's name, which has no NUL. */
typedef struct Column
{
	Oid			type;
	int32		modifier;
	Oid			collation;
	int16		dimensions;
	int16		length;
	bool		by_value;
	char		align;
	char		storage;
	char		compression;
	uint32		name_size;
} Column;

/* Returns what follows. */
static char *
put(char *to, const void *bytes, Size size)
{
	memcpy(to, bytes, size);
	return to + size;
}

static char *
put_column(char *to, const FormData_pg_attribute *attribute)
{
	Column		column = {
		.type = attribute->atttypid,
		.modifier = attribute->atttypmod,
		.collation = attribute->attcollation,
		.dimensions = (int16) attribute->attndims,
		.length = attribute->attlen,
		.by_value = attribute->attbyval,
		.align = attribute->attalign,
		.storage = attribute->attstorage,
		.compression = attribute->attcompression,
		.name_size = (uint32) strlen(NameStr(attribute->attname))
	};

	to = put(to, &column, sizeof(column));
	return put(to, NameStr(attribute->attname), column.name_size);
}

/*
 * The parsed statement of a text; NULL: the text is empty. One made by PREPARE is within
 * that, which may be one of several in the text.
 */
static RawStmt *
parse(const char *text, const Fixed *fixed)
{
	bool		old_standard_strings = standard_conforming_strings;
	bool		old_warning = escape_string_warning;
	int			old_backslash = backslash_quote;
	List	   *statements;
	ListCell   *cell;

	/* a text that has been parsed before, with these: it fails for want of memory at most */
	standard_conforming_strings = fixed->standard_strings;
	backslash_quote = fixed->backslash;
	escape_string_warning = false;
	statements = raw_parser(text, RAW_PARSE_DEFAULT);
	standard_conforming_strings = old_standard_strings;
	backslash_quote = old_backslash;
	escape_string_warning = old_warning;

	if (!fixed->from_sql)
		return statements == NIL ? NULL : linitial_node(RawStmt, statements);
	foreach(cell, statements)
	{
		RawStmt    *statement = lfirst_node(RawStmt, cell);

		if (statement->stmt_location != fixed->location || !IsA(statement->stmt, PrepareStmt))
			continue;
		statement->stmt = ((PrepareStmt *) statement->stmt)->query;
		return statement;
	}
	elog(ERROR, "saved statement is not in its text: %s", text);
}

/* Whether a text, read with these settings, is the statement of a plan source. */
static bool
reads_as(const CachedPlanSource *source, const Fixed *fixed)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool result = false;

	PG_TRY();
	{
		const RawStmt *statement = parse(source->query_string, fixed);

		result = statement != NULL && equal(statement->stmt, source->raw_parse_tree->stmt);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return result;
}

/*
 * How the text was read, which only matters where it has a backslash. The settings of now may
 * be others: a text is read as a whole before the first of its statements runs, and they may
 * have changed in the same transaction. So they are tried.
 */
static void
note_strings(const CachedPlanSource *source, Fixed *fixed)
{
	static const int backslashes[] = {BACKSLASH_QUOTE_SAFE_ENCODING, BACKSLASH_QUOTE_ON, BACKSLASH_QUOTE_OFF};

	fixed->standard_strings = true;
	fixed->backslash = BACKSLASH_QUOTE_SAFE_ENCODING;
	if (source->raw_parse_tree == NULL || strchr(source->query_string, '\\') == NULL)
		return;
	fixed->standard_strings = standard_conforming_strings;
	fixed->backslash = (char) backslash_quote;
	for (int i = 0; i < 2 * lengthof(backslashes) && !reads_as(source, fixed); i++)
	{
		fixed->standard_strings = i % 2 == 0;
		fixed->backslash = (char) backslashes[i / 2];
	}
}

/* In one piece, as it is done at the end of most transactions of the extended protocol. */
void
carpool_plan_write(StringInfo to, const CachedPlanSource *source, bool from_sql)
{
	TupleDesc	result = source->resultDesc;
	int			columns = result == NULL ? 0 : result->natts;
	Size		types_size = source->num_params * sizeof(Oid);
	Size		text_size = strlen(source->query_string) + 1;
	Fixed		fixed;
	char	   *start;
	char	   *at;

	memset(&fixed, 0, sizeof(fixed));
	if (source->raw_parse_tree != NULL)
	{
		fixed.location = source->raw_parse_tree->stmt_location;
		fixed.length = source->raw_parse_tree->stmt_len;
	}
	fixed.cursor_options = source->cursor_options;
	fixed.parameters = source->num_params;
	fixed.columns = result == NULL ? -1 : columns;
	fixed.row_type = result == NULL ? InvalidOid : result->tdtypeid;
	fixed.from_sql = from_sql;
	fixed.is_result_fixed = source->fixed_result;
	note_strings(source, &fixed);
	enlargeStringInfo(to, (int) (sizeof(fixed) + types_size + columns * (sizeof(Column) + NAMEDATALEN) +
								 text_size));
	at = to->data + to->len + sizeof(fixed);
	if (types_size > 0)
		at = put(at, source->param_types, types_size);
	start = at;
	for (int i = 0; i < columns; i++)
		at = put_column(at, TupleDescAttr(result, i));
	fixed.columns_size = (uint32) (at - start);
	at = put(at, source->query_string, text_size);
	memcpy(to->data + to->len, &fixed, sizeof(fixed));
	to->len = (int) (at - to->data);
}

/* In the current context; columns is not aligned. */
static TupleDesc
make_result(const char *columns, const Fixed *fixed)
{
	TupleDesc	result = CreateTemplateTupleDesc(fixed->columns);

	result->tdtypeid = fixed->row_type;
	for (int i = 0; i < fixed->columns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(result, i);
		Column		column;
		NameData	name = {{0}};

		memcpy(&column, columns, sizeof(column));
		columns += sizeof(column);
		memcpy(NameStr(name), columns, Min(column.name_size, NAMEDATALEN - 1));
		columns += column.name_size;
		/* of a type that needs no catalog, as the column's own may be gone */
		TupleDescInitBuiltinEntry(result, i + 1, NameStr(name), TEXTOID, column.modifier,
								  column.dimensions);
		attribute->atttypid = column.type;
		attribute->attcollation = column.collation;
		attribute->attlen = column.length;
		attribute->attbyval = column.by_value;
		attribute->attalign = column.align;
		attribute->attstorage = column.storage;
		attribute->attcompression = column.compression;
	}
	/* a copy, as newer servers keep a digest of each column beside it, which copying makes */
	return CreateTupleDescCopy(result);
}

/* Words that are a time when they are read as a constant of a date or a time. */
static bool
has_time(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	for (; *text != '\0'; text++)
		for (int i = 0; i < lengthof(words); i++)
			if (pg_strncasecmp(text, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

static bool
find_time(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, A_Const))
	{
		const A_Const *constant = (const A_Const *) node;

		return !constant->isnull && IsA(&constant->val, String) && has_time(constant->val.sval.sval);
	}
	return raw_expression_tree_walker(node, find_time, context);
}

/*
 * The constants are looked at as they were read, with what escapes, dollars and broken lines
 * make of them.
 */
bool
carpool_plan_is_timeless(const CachedPlanSource *source)
{
	Node	   *statement = source->raw_parse_tree == NULL ? NULL : source->raw_parse_tree->stmt;

	if (statement == NULL)
		return true;
	switch (nodeTag(statement))
	{
		case T_SelectStmt:
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
			return !find_time(statement, NULL);
		default:
			return !carpool_plan_is_analysed(source);
	}
}

bool
carpool_plan_is_analysed(const CachedPlanSource *source)
{
	return source->raw_parse_tree != NULL && stmt_requires_parse_analysis(source->raw_parse_tree);
}

CachedPlanSource *
carpool_plan_make(const char *body, uint32 size)
{
	Fixed		fixed;
	Oid		   *types;
	const char *columns;
	const char *text;
	RawStmt    *statement;
	List	   *queries = NIL;
	CachedPlanSource *source;
	MemoryContext old;

	memcpy(&fixed, body, sizeof(fixed));
	types = palloc(fixed.parameters * sizeof(Oid));
	memcpy(types, body + sizeof(fixed), fixed.parameters * sizeof(Oid));
	columns = body + sizeof(fixed) + fixed.parameters * sizeof(Oid);
	text = columns + fixed.columns_size;

	statement = parse(text, &fixed);
	source = CreateCachedPlan(statement, text,
							  statement == NULL ? CMDTAG_UNKNOWN : CreateCommandTag(statement->stmt));
	/* PostgreSQL never analyses a plain utility statement again; nor does that look anything up */
	if (statement != NULL && !carpool_plan_is_analysed(source))
		queries = pg_analyze_and_rewrite_fixedparams(statement, text, types, fixed.parameters, NULL);
	CompleteCachedPlan(source, queries, NULL, types, fixed.parameters, NULL, NULL, fixed.cursor_options,
					   fixed.is_result_fixed);
	if (carpool_plan_is_analysed(source))
	{
		source->is_valid = false;
		carpool_plan_infer(source);
	}
	old = MemoryContextSwitchTo(source->context);
	if (source->resultDesc != NULL)
		FreeTupleDesc(source->resultDesc);
	source->resultDesc = fixed.columns < 0 ? NULL : make_result(columns, &fixed);
	MemoryContextSwitchTo(old);
	return source;
}

bool
carpool_plan_from_sql(const char *body)
{
	Fixed		fixed;

	memcpy(&fixed, body, sizeof(fixed));
	return fixed.from_sql;
}
