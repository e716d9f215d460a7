/*
 * planparameters.c: has types of parameters inferred again, in a plan source that is made again.
 *
 * PostgreSQL keeps the types of a statement's parameters as they came out, and analyses the text
 * with these from then on. That is as good as with those that the client gave, but for one that
 * is cast to "unknown": such a one becomes text in the end, and there is no cast from text. So
 * it is inferred again.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "parser/parse_param.h"
#include "utils/memutils.h"

#include "private/plans.h"

/* Of a plan source, in its context. */
typedef struct Inferred
{
	const CachedPlanSource *source;
	Bitmapset  *numbers;		/* of the parameters, from 1 on */
} Inferred;

/* As setup_parse_variable_parameters() wants them: it keeps the addresses. */
typedef struct Types
{
	Oid		   *types;
	int			count;
} Types;

static bool
is_unknown(const TypeName *type)
{
	return type->names != NIL && strcmp(strVal(llast(type->names)), "unknown") == 0;
}

static bool
find_casts(Node *node, void *numbers)
{
	if (node == NULL)
		return false;
	if (IsA(node, TypeCast))
	{
		const TypeCast *cast = (const TypeCast *) node;

		if (cast->arg != NULL && IsA(cast->arg, ParamRef) && is_unknown(cast->typeName))
			*(Bitmapset **) numbers =
				bms_add_member(*(Bitmapset **) numbers, ((ParamRef *) cast->arg)->number);
	}
	return raw_expression_tree_walker(node, find_casts, numbers);
}

/* The walker knows expressions and what they are in, but no statements around that (EXPLAIN). */
static bool
is_walkable(const Node *statement)
{
	return IsA(statement, SelectStmt) || IsA(statement, InsertStmt) || IsA(statement, UpdateStmt) ||
		IsA(statement, DeleteStmt) || IsA(statement, MergeStmt);
}

/* Before the text is analysed. */
static void
set_up(ParseState *state, void *argument)
{
	const Inferred *inferred = argument;
	Types	   *types = palloc(sizeof(*types));

	types->count = inferred->source->num_params;
	types->types = palloc(types->count * sizeof(Oid));
	for (int i = 0; i < types->count; i++)
		types->types[i] = bms_is_member(i + 1, inferred->numbers) ? InvalidOid
																  : inferred->source->param_types[i];
	setup_parse_variable_parameters(state, &types->types, &types->count);
}

void
carpool_plan_infer(CachedPlanSource *source)
{
	Bitmapset  *numbers = NULL;
	Inferred   *inferred;
	MemoryContext old;

	if (source->num_params == 0 || !is_walkable(source->raw_parse_tree->stmt))
		return;
	old = MemoryContextSwitchTo(source->context);
	find_casts(source->raw_parse_tree->stmt, &numbers);
	if (numbers != NULL)
	{
		inferred = palloc(sizeof(*inferred));
		inferred->source = source;
		inferred->numbers = numbers;
		source->parserSetup = set_up;
		source->parserSetupArg = inferred;
	}
	MemoryContextSwitchTo(old);
}
