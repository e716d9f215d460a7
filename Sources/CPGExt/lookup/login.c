/* login.c: LOGIN: may this client come in, and how does it prove who it is? */
#include "postgres.h"

#include <netdb.h>
#include <netinet/in.h>

#include "access/xlog.h"
#include "cledger.h"
#include "commands/user.h"
#include "common/ip.h"
#include "libpq/crypt.h"

#include "private/facts.h"
#include "private/lookup.h"
#include "private/rules.h"
#include "private/scope.h"

/* Everything about one login. */
typedef struct Login
{
	const CarpoolQuestion *question;
	char		user[NAMEDATALEN];
	char		database_name[NAMEDATALEN];
	struct sockaddr_storage peer;
	socklen_t	peer_size;
	CarpoolRole role;
	CarpoolDatabase database;
} Login;

/* Takes the peer's address; one of IPv4 in IPv6 clothes is one of IPv4 to the rules. */
static void
take_peer(Login *login)
{
	const struct sockaddr_in6 *mapped = (const struct sockaddr_in6 *) &login->question->peer;

	login->peer = login->question->peer;
	login->peer_size = login->question->peer_size;
	if (login->peer.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&mapped->sin6_addr))
	{
		struct sockaddr_in *plain = (struct sockaddr_in *) &login->peer;

		memset(&login->peer, 0, sizeof(login->peer));
		plain->sin_family = AF_INET;
		plain->sin_port = mapped->sin6_port;
		memcpy(&plain->sin_addr, &mapped->sin6_addr.s6_addr[12], sizeof(plain->sin_addr));
		login->peer_size = sizeof(*plain);
	}
}

/* Refuses the client in PostgreSQL's words: "reject" said so, or no line of pg_hba.conf spoke for it. */
static void
refuse_by_rule(const Login *login, bool by_line, CarpoolError *refusal)
{
	char		host[NI_MAXHOST];

	pg_getnameinfo_all(&login->peer, login->peer_size, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
	carpool_error_set(
		refusal, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		by_line
			? "pg_hba.conf rejects connection for host \"%s\", user \"%s\", database \"%s\", no encryption"
			: "no pg_hba.conf entry for host \"%s\", user \"%s\", database \"%s\", no encryption",
		host, login->user, login->database_name);
}

/* The peer method: the OS user at the other end of the Unix socket is the proof. */
static CarpoolMethod
prove_by_peer(const Login *login, const HbaLine *line, CarpoolError *refusal)
{
	char		os_user[256];

	if (login->peer.ss_family == AF_UNIX &&
		carpool_os_user_name(login->question->peer_uid, os_user, sizeof(os_user)) &&
		carpool_ident_allows(line->usermap, login->user, login->role.id, os_user))
		return CARPOOL_METHOD_TRUST;
	carpool_error_set(refusal, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
					  "Peer authentication failed for user \"%s\"", login->user);
	return CARPOOL_METHOD_REFUSE;
}

/* Refuses the client: its line asks for what we can't do. */
static CarpoolMethod
refuse_method(const HbaLine *line, CarpoolError *refusal)
{
	carpool_error_set(refusal, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
					  "Carpool does not support authentication method \"%s\"",
					  hba_authname(line->auth_method));
	carpool_error_detail(refusal, "Line %d of %s asks for it.", line->linenumber, carpool_line_file(line));
	carpool_error_hint(refusal, "Connect to the server directly, "
					   "or have the line ask for scram-sha-256, md5, password, peer or trust.");
	return CARPOOL_METHOD_REFUSE;
}

/* How the client proves itself by the line that holds for it, NULL for none; refusal when it can't. */
static CarpoolMethod
method_of(const Login *login, const HbaLine *line, CarpoolError *refusal)
{
	switch (line ? line->auth_method : uaImplicitReject)
	{
		case uaImplicitReject:
		case uaReject:
			refuse_by_rule(login, line != NULL, refusal);
			return CARPOOL_METHOD_REFUSE;
		case uaTrust:
			return CARPOOL_METHOD_TRUST;
		case uaPeer:
			return prove_by_peer(login, line, refusal);
		case uaPassword:
			return CARPOOL_METHOD_PASSWORD;
		case uaMD5:
			return CARPOOL_METHOD_MD5;
		case uaSCRAM:
			return CARPOOL_METHOD_SCRAM;
		default:
			return refuse_method(line, refusal);
	}
}

/*
 * Gives out the role's verifier, if it has one that is still valid and of use to the
 * method; without one the exchange is a mock one, as PostgreSQL does it.
 */
static void
give_secret(const Login *login, CarpoolMethod method, CarpoolAnswer *answer)
{
	const char *reason = NULL;
	char	   *verifier = OidIsValid(login->role.id) ? get_role_password(login->user, &reason) : NULL;
	char	   *nonce = GetMockAuthenticationNonce();

	if (nonce)
		memcpy(answer->mock_nonce, nonce, sizeof(answer->mock_nonce));
	answer->numbers.mock_md5 = verifier == NULL && Password_encryption == PASSWORD_TYPE_MD5;
	if (verifier == NULL)
		return;
	if (method != CARPOOL_METHOD_SCRAM || get_password_type(verifier) == PASSWORD_TYPE_SCRAM_SHA_256)
	{
		if (strlcpy(answer->secret, verifier, CARPOOL_SECRET_SIZE) >= CARPOOL_SECRET_SIZE)
			answer->secret[0] = '\0';
	}
	explicit_bzero(verifier, strlen(verifier));
	pfree(verifier);
}

/* What ALTER ROLE and ALTER DATABASE have set, as just read for the pool's settings. */
static void
give_role_settings(const Login *login, CarpoolAnswer *answer)
{
	ArrayType  *configs[CARPOOL_ROLE_SCOPES] = {NULL};
	StringInfoData list;
	bool		known = true;

	for (int i = 0; i < CARPOOL_ROLE_SCOPES; i++)
	{
		Oid			database = login->database.id;
		Oid			role = login->role.id;
		const CarpoolScopedRow *row;

		carpool_role_scope(i, &database, &role);
		row = carpool_scope_row(database, role);
		if (row == NULL)
			continue;
		configs[i] = row->config;
		known = known && row->config != NULL;
	}
	initStringInfo(&list);
	carpool_role_settings_put(&list, configs);
	if (!known || list.len > CARPOOL_ROLE_SETTINGS_SIZE)
	{
		resetStringInfo(&list);
		appendStringInfoChar(&list, CLEDGER_ROLE_UNKNOWN);
		appendStringInfoChar(&list, '\0');
	}
	memcpy(answer->role_settings, list.data, list.len);
	answer->numbers.role_settings_size = (uint32) list.len;
}

/* Refuses everybody while pg_hba.conf has never been readable. */
static bool
refuse_without_rules(CarpoolAnswer *answer)
{
	if (carpool_rules_loaded())
		return false;
	answer->numbers.method = CARPOOL_METHOD_REFUSE;
	carpool_error_set(&answer->refusal, ERRCODE_CONFIG_FILE_ERROR, "could not load pg_hba.conf");
	carpool_error_hint(&answer->refusal, "The server log says what is wrong with the file.");
	return true;
}

/* Answers LOGIN; false when the peer's host name has to be found first. */
bool
carpool_answer_login(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	Login		login = {.question = question};
	CarpoolConnection connection;
	const HbaLine *line;

	if (refuse_without_rules(answer))
		return true;
	/* longer names are cut, as PostgreSQL cuts those of a startup packet */
	strlcpy(login.user, question->user, NAMEDATALEN);
	strlcpy(login.database_name, question->database, NAMEDATALEN);
	take_peer(&login);
	carpool_find_role(login.user, &login.role);
	connection = (CarpoolConnection)
	{
		login.user, login.role.id, login.database_name, &login.peer, login.peer_size
	};
	if (carpool_hba_match(&connection, &line) == CARPOOL_NEEDS_NAME)
	{
		carpool_names_wait(&login.peer, question);
		return false;
	}
	answer->numbers.method = method_of(&login, line, &answer->refusal);
	if (answer->numbers.method == CARPOOL_METHOD_REFUSE)
		return true;
	if (answer->numbers.method != CARPOOL_METHOD_TRUST)
		give_secret(&login, answer->numbers.method, answer);
	carpool_find_database(login.database_name, &login.database);
	carpool_check_access(&login.role, login.user, &login.database, login.database_name, &answer->failure);
	if (carpool_error_is_set(&answer->failure))
		return true;
	answer->numbers.user_id = login.role.id;
	answer->numbers.database_id = login.database.id;
	carpool_pool_settings(&login.role, &login.database, &answer->numbers.pool);
	give_role_settings(&login, answer);
	answer->numbers.may_share = carpool_may_share(&login.role, &login.database, answer);
	answer->numbers.facts = carpool_facts_since(login.database.id, &login.role);
	/* servers that are shared may have been there before this role was known */
	if (answer->numbers.may_share)
		answer->numbers.facts = Max(answer->numbers.facts, carpool_facts_of_database(login.database.id));
	return true;
}
