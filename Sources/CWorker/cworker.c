/* cworker.c: reads and fills the structs of chost.h for Swift. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chost.h"
#include "csys.h"
#include "cworker.h"

CworkerTuning
cworker_tuning(const CarpoolSettings *settings)
{
	CworkerTuning tuning = {
#define CARPOOL_BOOL(name, def, flags, help) .name = settings->name,
#define CARPOOL_INT(name, def, min, max, flags, help) .name = settings->name,
#define CARPOOL_TIME(name, def, max, flags, help) .name = settings->name,
#define CARPOOL_STRING(name, size, def, flags, help)
#define CARPOOL_ENUM(name, def, choices, flags, help) .name = settings->name,
#include "../CHost/include/settings.def"
	};

	return tuning;
}

const char *
cworker_setting_text(const CarpoolSettings *settings, const char *name)
{
	const CarpoolSettingInfo *info = carpool_setting_find(name);

	if (info == NULL || info->kind != CARPOOL_KIND_STRING)
		return "";
	return (const char *) settings + info->offset;
}

const char *
cworker_host_name(const CarpoolHost *host)
{
	return host->name;
}

bool
cworker_host_keeps_oids(const CarpoolHost *host)
{
	return host->keeps_oids;
}

void
cworker_log(const CarpoolHost *host, int level, const char *line)
{
	host->log(host->context, (CarpoolLogLevel) level, line);
}

bool
cworker_cancel(const CarpoolHost *host, int32_t server_pid, uint32_t server_slot)
{
	return host->cancel(host->context, server_pid, server_slot);
}

int
cworker_host_most_servers(const CarpoolHost *host)
{
	return host->most_servers;
}

void
cworker_forget(const CarpoolHost *host, uint32_t database_id, uint32_t user_id)
{
	if (host->forget)
		host->forget(host->context, database_id, user_id);
}

CledgerHeader *
cworker_host_ledger(const CarpoolHost *host)
{
	return host->ledger;
}

/* Address and OS user of the client on a socket. */
static void
describe_peer(int fd, CarpoolQuestion *question)
{
	struct ucred peer;
	socklen_t	peer_size = sizeof(peer);

	question->peer_size = csys_peer_address(fd, &question->peer);
	if (question->peer.ss_family == AF_UNIX
		&& getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0)
		question->peer_uid = peer.uid;
}

int
cworker_ask(const CarpoolHost *host, const CworkerQuestion *from,
			const char *user, const char *database, CarpoolAnswer **answer)
{
	CarpoolQuestion question = {
		.ticket = {.thread = from->thread,
				   .slot = from->slot,
				   .generation = from->generation,
				   .kind = from->kind},
		.peer_uid = CARPOOL_NO_UID,
		.database_id = from->database_id,
		.user_id = from->user_id,
		.holds = (from->holds_scram_keys ? CARPOOL_HOLDS_SCRAM_KEYS : 0) |
			(from->holds_password ? CARPOOL_HOLDS_PASSWORD : 0) |
			(from->not_as_owner ? CARPOOL_NOT_AS_OWNER : 0) | (from->for_roles ? CARPOOL_FOR_ROLES : 0),
		.server_pid = from->server_pid,
	};
	int			result;

	snprintf(question.user, sizeof(question.user), "%s", user);
	snprintf(question.database, sizeof(question.database), "%s", database);
	if (from->client_fd >= 0)
		describe_peer(from->client_fd, &question);
	*answer = malloc(sizeof(CarpoolAnswer));	/* the host fills it, if it answers now */
	if (*answer == NULL)
		return -1;
	result = host->ask(host->context, &question, *answer);
	if (result == 1)
		(*answer)->ticket = question.ticket;
	else
	{
		free(*answer);
		*answer = NULL;
	}
	return result;
}

void
cworker_answer_free(CarpoolAnswer *answer)
{
	if (answer)
		explicit_bzero(answer->secret, sizeof(answer->secret));
	free(answer);
}

CworkerAnswer
cworker_answer(const CarpoolAnswer *answer)
{
	CworkerAnswer numbers = {
		.kind = answer->ticket.kind, .thread = answer->ticket.thread,
		.slot = answer->ticket.slot, .generation = answer->ticket.generation,
		.method = answer->method,.mock_md5 = answer->mock_md5,
		.database_id = answer->database_id, .user_id = answer->user_id,
		.server_size = answer->server_size, .server_slot = answer->server_slot,
		.must_become = answer->must_become,
		.may_share = answer->may_share,
		.facts = answer->facts,
	};

	return numbers;
}

CworkerPoolSettings
cworker_answer_pool(const CarpoolAnswer *answer)
{
	CworkerPoolSettings pool = {
		.pool_mode = answer->pool.pool_mode, .pool_size = answer->pool.pool_size,
		.min_pool_size = answer->pool.min_pool_size,
		.max_db_connections = answer->pool.max_db_connections,
		.max_user_connections = answer->pool.max_user_connections,
		.server_lifetime = answer->pool.server_lifetime,
		.client_idle_timeout = answer->pool.client_idle_timeout,
		.idle_transaction_timeout = answer->pool.idle_transaction_timeout,
	};

	return pool;
}

const char *
cworker_answer_text(const CarpoolAnswer *answer, int text)
{
	switch (text)
	{
		case CWORKER_SECRET:
			return answer->secret;
		case CWORKER_SERVER_USER:
			return answer->server_user;
		case CWORKER_SERVER_DATABASE:
			return answer->server_database;
		case CWORKER_REFUSAL_STATE:
			return answer->refusal.sqlstate;
		case CWORKER_REFUSAL_MESSAGE:
			return answer->refusal.message;
		case CWORKER_REFUSAL_DETAIL:
			return answer->refusal.detail;
		case CWORKER_REFUSAL_HINT:
			return answer->refusal.hint;
		case CWORKER_FAILURE_STATE:
			return answer->failure.sqlstate;
		case CWORKER_FAILURE_MESSAGE:
			return answer->failure.message;
		case CWORKER_FAILURE_DETAIL:
			return answer->failure.detail;
		case CWORKER_FAILURE_HINT:
			return answer->failure.hint;
	}
	return "";
}

const uint8_t *
cworker_answer_nonce(const CarpoolAnswer *answer)
{
	return answer->mock_nonce;
}

size_t
cworker_answer_role_settings_size(const CarpoolAnswer *answer)
{
	return answer->role_settings_size;
}

const void *
cworker_answer_role_settings(const CarpoolAnswer *answer)
{
	return answer->role_settings;
}

const void *
cworker_answer_server(const CarpoolAnswer *answer)
{
	return &answer->server;
}
