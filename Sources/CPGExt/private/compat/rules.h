/*
 * rules.h: pg_hba.conf and pg_ident.conf as each server version reads them. Since 16 both may
 * include other files, and every name in them may be a regular expression, a group or "all"; in 15
 * only the OS user of pg_ident.conf may be an expression, and the role there is a plain name.
 */
#ifndef CARPOOL_COMPAT_RULES_H
#define CARPOOL_COMPAT_RULES_H

#include "postgres.h"

#include "libpq/hba.h"
#include "nodes/pg_list.h"
#include "regex/regex.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* A file that is read; memory: of its tokens, where it is not the file's own. */
typedef struct CarpoolRuleFile
{
	FILE	   *file;
	MemoryContext memory;
} CarpoolRuleFile;

/*
 * Opens a file and reads its tokens, which are good until it is closed. False: it can't be read; the
 * log says why.
 */
static inline bool
carpool_rule_file_open(CarpoolRuleFile *opened, const char *path, List **tokenized)
{
	opened->memory = NULL;
#if PG_VERSION_NUM >= 160000
	opened->file = open_auth_file(path, LOG, 0, NULL);
	if (opened->file == NULL)
		return false;
	tokenize_auth_file(path, opened->file, tokenized, LOG, 0);
#else
	opened->file = AllocateFile(path, "r");
	if (opened->file == NULL)
	{
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not open configuration file \"%s\": %m", path)));
		return false;
	}
	opened->memory = tokenize_auth_file(path, opened->file, tokenized, LOG);
#endif
	return true;
}

static inline void
carpool_rule_file_close(CarpoolRuleFile *opened)
{
#if PG_VERSION_NUM >= 160000
	free_auth_file(opened->file, 0);
#else
	FreeFile(opened->file);
	MemoryContextDelete(opened->memory);
#endif
}

/* The path of the file that a line of pg_hba.conf is from. */
static inline const char *
carpool_hba_line_path(const HbaLine *line)
{
#if PG_VERSION_NUM >= 160000
	return line->sourcefile;
#else
	return HbaFileName;
#endif
}

/* A token's regular expression; NULL: it is a name. */
static inline regex_t *
carpool_token_expression(const AuthToken *token)
{
#if PG_VERSION_NUM >= 160000
	return token->regex;
#else
	return NULL;
#endif
}

/* The OS user of a line of pg_ident.conf as it is written there, and its expression; NULL: it is a name. */
static inline const char *
carpool_ident_os_user(const IdentLine *line)
{
#if PG_VERSION_NUM >= 160000
	return line->system_user->string;
#else
	return line->ident_user;
#endif
}

static inline regex_t *
carpool_ident_expression(const IdentLine *line)
{
#if PG_VERSION_NUM >= 160000
	return line->system_user->regex;
#else
	return line->ident_user[0] == '/' ? unconstify(regex_t *, &line->re) : NULL;
#endif
}

/* The role of such a line. */
static inline AuthToken
carpool_ident_role(const IdentLine *line)
{
#if PG_VERSION_NUM >= 160000
	return *line->pg_user;
#else
	/* what is quoted has no other meaning than its name */
	return (AuthToken) {.string = line->pg_role, .quoted = true};
#endif
}

#endif
