/*
 * route.c: ROUTE: where and as whom does a server of this pool log in? The server's
 * own rules are evaluated for each of its addresses, as it will do itself, and the
 * first is taken that what we hold satisfies.
 */
#include "postgres.h"

#include <netinet/in.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "libpq/crypt.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "private/facts.h"
#include "private/ledger.h"
#include "private/lookup.h"
#include "private/rules.h"

/* Everything about one server login. */
typedef struct Route
{
	char	   *user;
	char	   *database;
	Oid			role;
	uint32		holds;
	char	   *verifier;		/* NULL: none */
	PasswordType type;
} Route;

/* Whether what we hold is enough for a SCRAM login. */
static bool
can_scram(const Route *route)
{
	return route->verifier && route->type == PASSWORD_TYPE_SCRAM_SHA_256 &&
		route->holds & (CARPOOL_HOLDS_SCRAM_KEYS | CARPOOL_HOLDS_PASSWORD);
}

/* Whether the server's own OS user, which we are, may be this role by the peer method. */
static bool
can_be_peer(const Route *route, const HbaLine *line, const CarpoolTarget *target)
{
	char		os_user[256];

	return target->address.ss_family == AF_UNIX &&
		carpool_os_user_name(geteuid(), os_user, sizeof(os_user)) &&
		carpool_ident_allows(line->usermap, route->user, route->role, os_user);
}

/* Whether we can log in by a line. With an md5 verifier the verifier itself is the key. */
static bool
satisfied(const Route *route, const HbaLine *line, const CarpoolTarget *target)
{
	switch (line->auth_method)
	{
		case uaTrust:
			return true;
		case uaPeer:
			return can_be_peer(route, line, target);
		case uaSCRAM:
			return can_scram(route);
		case uaMD5:
			return can_scram(route) || (route->verifier && route->type == PASSWORD_TYPE_MD5);
		case uaPassword:
			return route->verifier && route->holds & CARPOOL_HOLDS_PASSWORD;
		default:
			return false;
	}
}

/* A name as pg_hba.conf takes it whatever it is. */
static char *
quoted(const char *name)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '"');
	for (; *name; name++)
	{
		if (*name == '"')
			appendStringInfoChar(&text, '"');
		appendStringInfoChar(&text, *name);
	}
	appendStringInfoChar(&text, '"');
	return text.data;
}

/* Says that no address lets us in, and which line would; line is what stands in its way. */
static void
explain(const Route *route, const HbaLine *line, const CarpoolTarget *target, CarpoolError *failure)
{
	const char *user = quoted(route->user);
	const char *database = quoted(route->database);
	bool		is_local = target == NULL || target->address.ss_family == AF_UNIX;
	char		os_user[256];

	carpool_error_set(failure, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
					  "Carpool can't log in to the server as role \"%s\"", route->user);
	if (line)
		carpool_error_detail(failure, "Line %d of %s asks for %s.", line->linenumber, carpool_line_file(line),
							 hba_authname(line->auth_method));
	else
		carpool_error_detail(failure,
							 "No line of pg_hba.conf holds for a connection from the server's own host.");
	if (target == NULL)
		carpool_error_hint(failure,
						   "The server listens nowhere: set unix_socket_directories or listen_addresses.");
	else if (can_scram(route) || (route->verifier && route->type == PASSWORD_TYPE_MD5))
		carpool_error_hint(failure, "Put this line %s pg_hba.conf: %s %s %s%s %s",
						   line ? "further up in" : "in", is_local ? "local" : "host", database, user,
						   is_local ? "" : " samehost", can_scram(route) ? "scram-sha-256" : "md5");
	else if (carpool_os_user_name(geteuid(), os_user, sizeof(os_user)))
		carpool_error_hint(failure, "Put this line %s pg_hba.conf: local %s %s peer map=carpool "
						   "and this one in pg_ident.conf: carpool %s %s",
						   line ? "further up in" : "in", database, user, quoted(os_user), user);
}

/* Takes an address for the answer. */
static void
take(const Route *route, const HbaLine *line, const CarpoolTarget *target, CarpoolAnswer *answer)
{
	answer->server = target->address;
	answer->numbers.server_size = target->size;
	if (route->verifier && route->type == PASSWORD_TYPE_MD5 && line->auth_method == uaMD5)
		strlcpy(answer->secret, route->verifier, CARPOOL_SECRET_SIZE);
}

/*
 * Whether our agent could make a login as the cluster's owner one of another role: by
 * peer, for which nothing has to be held.
 */
static bool
owner_by_peer(char *database, const CarpoolTarget *target, CarpoolAnswer *answer)
{
	Route		owner = {.database = database, .role = BOOTSTRAP_SUPERUSERID};
	CarpoolConnection connection;
	const HbaLine *line;

	if (target->address.ss_family != AF_UNIX || carpool_ledger->failed_tests != 0)
		return false;
	owner.user = GetUserNameFromId(BOOTSTRAP_SUPERUSERID, true);
	if (owner.user == NULL)
		return false;
	connection = (CarpoolConnection)
	{
		owner.user, owner.role, owner.database, &target->address, target->size
	};
	if (carpool_hba_match(&connection, &line) != CARPOOL_MATCHED || line->auth_method != uaPeer ||
		!can_be_peer(&owner, line, target))
		return false;
	answer->server = target->address;
	answer->numbers.server_size = target->size;
	strlcpy(answer->server_user, owner.user, CARPOOL_NAME_SIZE);
	return true;
}

/* Whether that does for a pool. */
static bool
as_owner(const Route *route, const CarpoolTarget *target, CarpoolAnswer *answer)
{
	return (route->holds & CARPOOL_NOT_AS_OWNER) == 0 && route->role != BOOTSTRAP_SUPERUSERID &&
		owner_by_peer(route->database, target, answer);
}

bool
carpool_route_as_owner(char *database, CarpoolAnswer *answer)
{
	const CarpoolTarget *targets;
	int			count = carpool_targets(&targets);

	for (int i = 0; i < count; i++)
		if (owner_by_peer(database, &targets[i], answer))
			return true;
	return false;
}

/* Tries the addresses in their order; false when a host name has to be found first. */
static bool
choose(const Route *route, const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	const CarpoolTarget *targets;
	int			count = carpool_targets(&targets);
	const HbaLine *first_line = NULL;

	for (int i = 0; i < count; i++)
	{
		CarpoolConnection connection = {
			route->user, route->role, route->database, &targets[i].address, targets[i].size
		};
		const HbaLine *line;

		if (as_owner(route, &targets[i], answer))
			return true;
		switch (carpool_hba_match(&connection, &line))
		{
			case CARPOOL_NEEDS_NAME:
				carpool_names_wait(&targets[i].address, question);
				return false;
			case CARPOOL_NO_MATCH:
				break;
			case CARPOOL_MATCHED:
				if (satisfied(route, line, &targets[i]))
				{
					take(route, line, &targets[i], answer);
					return true;
				}
				break;
		}
		if (i == 0)
			first_line = line;
	}
	explain(route, first_line, count > 0 ? targets : NULL, &answer->failure);
	return true;
}

/* Resolves the pool's OIDs to the names of today; false after setting failure. */
static bool
resolve(const CarpoolQuestion *question, Route *route, CarpoolError *failure)
{
	route->role = question->numbers.user_id;
	route->holds = question->numbers.holds;
	route->user = GetUserNameFromId(question->numbers.user_id, true);
	route->database = get_database_name(question->numbers.database_id);
	if (route->user == NULL)
		carpool_error_set(failure, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
						  "role with OID %u does not exist", question->numbers.user_id);
	else if (route->database == NULL)
	{
		carpool_error_set(failure, ERRCODE_UNDEFINED_DATABASE, "database %u does not exist",
						  question->numbers.database_id);
		carpool_error_detail(failure, "It seems to have just been dropped.");
	}
	else if (!carpool_rules_loaded())
		carpool_error_set(failure, ERRCODE_CONFIG_FILE_ERROR, "could not load pg_hba.conf");
	else
		return true;
	return false;
}

/* The same for a pool of several roles, which has settings of the database only. */
static void
answer_for_roles(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	char	   *name = get_database_name(question->numbers.database_id);
	char	   *owner = GetUserNameFromId(BOOTSTRAP_SUPERUSERID, true);
	CarpoolDatabase database;

	if (name == NULL)
	{
		carpool_error_set(&answer->failure, ERRCODE_UNDEFINED_DATABASE, "database %u does not exist",
						  question->numbers.database_id);
		carpool_error_detail(&answer->failure, "It seems to have just been dropped.");
		return;
	}
	carpool_find_database(name, &database);
	carpool_shared_settings(&database, &answer->numbers.pool);
	(void) carpool_facts_of_database(database.id);
	answer->numbers.facts = carpool_facts_now();
	strlcpy(answer->server_database, name, CARPOOL_NAME_SIZE);
	strlcpy(answer->server_user, owner ? owner : "", CARPOOL_NAME_SIZE);
	if (!carpool_rules_loaded())
		carpool_error_set(&answer->failure, ERRCODE_CONFIG_FILE_ERROR, "could not load pg_hba.conf");
	else if (!carpool_route_as_owner(name, answer))
	{
		carpool_error_set(&answer->failure, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
						  "Carpool can't log in to the server as its owner any more");
		carpool_error_hint(&answer->failure, "Log in again: your role gets a pool of its own. "
						   "For carpool.share_roles pg_hba.conf needs a line: local all %s peer",
						   owner ? quoted(owner) : "");
	}
}

/* Answers ROUTE; false when the name of one of our own addresses has to be found first. */
bool
carpool_answer_route(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	Route		route = {0};
	CarpoolRole role;
	CarpoolDatabase database;
	const char *reason = NULL;
	bool		answered;

	answer->numbers.database_id = question->numbers.database_id;
	answer->numbers.user_id = question->numbers.user_id;
	if (question->numbers.holds & CARPOOL_FOR_ROLES)
	{
		answer_for_roles(question, answer);
		return true;
	}
	if (!resolve(question, &route, &answer->failure))
		return true;
	strlcpy(answer->server_user, route.user, CARPOOL_NAME_SIZE);
	strlcpy(answer->server_database, route.database, CARPOOL_NAME_SIZE);
	carpool_find_role(route.user, &role);
	carpool_find_database(route.database, &database);
	carpool_pool_settings(&role, &database, &answer->numbers.pool);
	(void) carpool_facts_since(database.id, &role);
	answer->numbers.facts = carpool_facts_now();
	route.verifier = get_role_password(route.user, &reason);
	if (route.verifier)
		route.type = get_password_type(route.verifier);
	answered = choose(&route, question, answer);
	if (route.verifier)
		explicit_bzero(route.verifier, strlen(route.verifier));
	return answered;
}
