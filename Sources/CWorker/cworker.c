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
cworker_log(const CarpoolHost *host, CarpoolLogLevel level, const char *line)
{
	host->log(host->context, level, line);
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
cworker_ask(const CarpoolHost *host, CarpoolTicket ticket, CarpoolQuestionNumbers numbers, int client,
			const char *user, const char *database, CarpoolAnswer **answer)
{
	CarpoolQuestion question = {.ticket = ticket, .numbers = numbers, .peer_uid = CARPOOL_NO_UID};
	int			result;

	snprintf(question.user, sizeof(question.user), "%s", user);
	snprintf(question.database, sizeof(question.database), "%s", database);
	if (client >= 0)
		describe_peer(client, &question);
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

CarpoolTicket
cworker_answer_ticket(const CarpoolAnswer *answer)
{
	return answer->ticket;
}

CarpoolAnswerNumbers
cworker_answer_numbers(const CarpoolAnswer *answer)
{
	return answer->numbers;
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
