/*
 * planbody.c: a plan source as bytes, and made again from them.
 *
 * Made again, it is as PostgreSQL leaves one after an object in it has changed: complete but
 * not valid. Its first use analyses the text with the parameter types given here and compares
 * what it returns with what it returned when the client prepared it; so errors come where,
 * when and as the client would get them on a connection of its own.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

#include "../private/statements.h"

/* What a body starts with; then parameter types, columns, and the text with its NUL. */
typedef struct Fixed
{
	int32		location;		/* of the statement in the text */
	int32		length;
	int32		cursor_options;
	int32		parameters;
	int32		columns;		/* -1: returns no rows */
	Oid			row_type;
	bool		from_sql;		/* by PREPARE: the text contains that */
	bool		is_result_fixed;
	bool		standard_strings;	/* standard_conforming_strings: how the text is read */
	char		backslash;		/* backslash_quote */
} Fixed;

typedef struct Column
{
	NameData	name;
	Oid			type;
	int32		modifier;
	int32		dimensions;
	Oid			collation;
	int16		length;
	bool		by_value;
	char		align;
	char		storage;
	char		compression;
} Column;

static void
write_column(StringInfo to, const FormData_pg_attribute *attribute)
{
	Column		column;

	memset(&column, 0, sizeof(column)); /* what is between the fields too */
	namestrcpy(&column.name, NameStr(attribute->attname));
	column.type = attribute->atttypid;
	column.modifier = attribute->atttypmod;
	column.dimensions = attribute->attndims;
	column.collation = attribute->attcollation;
	column.length = attribute->attlen;
	column.by_value = attribute->attbyval;
	column.align = attribute->attalign;
	column.storage = attribute->attstorage;
	column.compression = attribute->attcompression;
	appendBinaryStringInfoNT(to, &column, sizeof(column));
}

void
carpool_plan_write(StringInfo to, const CachedPlanSource *source, bool from_sql)
{
	TupleDesc	result = source->resultDesc;
	Fixed		fixed;

	memset(&fixed, 0, sizeof(fixed));
	if (source->raw_parse_tree != NULL)
	{
		fixed.location = source->raw_parse_tree->stmt_location;
		fixed.length = source->raw_parse_tree->stmt_len;
	}
	fixed.cursor_options = source->cursor_options;
	fixed.parameters = source->num_params;
	fixed.columns = result == NULL ? -1 : result->natts;
	fixed.row_type = result == NULL ? InvalidOid : result->tdtypeid;
	fixed.from_sql = from_sql;
	fixed.is_result_fixed = source->fixed_result;
	fixed.standard_strings = standard_conforming_strings;
	fixed.backslash = (char) backslash_quote;
	appendBinaryStringInfoNT(to, &fixed, sizeof(fixed));
	if (fixed.parameters > 0)
		appendBinaryStringInfoNT(to, source->param_types, fixed.parameters * sizeof(Oid));
	for (int i = 0; i < fixed.columns; i++)
		write_column(to, TupleDescAttr(result, i));
	appendBinaryStringInfoNT(to, source->query_string, strlen(source->query_string) + 1);
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

		memcpy(&column, columns + i * sizeof(column), sizeof(column));
		/* of a type that needs no catalog, as the column's own may be gone */
		TupleDescInitBuiltinEntry(result, i + 1, NameStr(column.name), TEXTOID, column.modifier,
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
	text = columns + Max(fixed.columns, 0) * sizeof(Column);

	statement = parse(text, &fixed);
	source = CreateCachedPlan(statement, text,
							  statement == NULL ? CMDTAG_UNKNOWN : CreateCommandTag(statement->stmt));
	/* PostgreSQL never analyses a plain utility statement again; nor does that look anything up */
	if (statement != NULL && !carpool_plan_is_analysed(source))
		queries = pg_analyze_and_rewrite_fixedparams(statement, text, types, fixed.parameters, NULL);
	CompleteCachedPlan(source, queries, NULL, types, fixed.parameters, NULL, NULL, fixed.cursor_options,
					   fixed.is_result_fixed);
	if (carpool_plan_is_analysed(source))
		source->is_valid = false;
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
