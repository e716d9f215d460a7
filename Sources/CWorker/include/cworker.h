/*
 * cworker.h: the contract of chost.h in a form that Swift can use: this header keeps the structs with
 * long character arrays opaque, and hands out their numbers (cnumbers.h) and, by pointer, their strings.
 */
#ifndef CARPOOL_WORKER_H
#define CARPOOL_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../../CHost/include/cnumbers.h"
#include "cledger.h"

typedef struct CarpoolHost CarpoolHost;
typedef struct CarpoolSettings CarpoolSettings;
typedef struct CarpoolAnswer CarpoolAnswer;

/* ---- settings ---- */

/* All settings that are numbers; times in seconds. */
typedef struct CworkerTuning
{
#define CARPOOL_BOOL(name, def, flags, help) bool name;
#define CARPOOL_INT(name, def, min, max, flags, help) int32_t name;
#define CARPOOL_TIME(name, def, max, flags, help) double name;
#define CARPOOL_STRING(name, size, def, flags, help)
#define CARPOOL_ENUM(name, def, choices, flags, help) int32_t name;
#include "../../CHost/include/settings.def"
#undef CARPOOL_BOOL
#undef CARPOOL_INT
#undef CARPOOL_TIME
#undef CARPOOL_STRING
#undef CARPOOL_ENUM
} CworkerTuning;

CworkerTuning cworker_tuning(const CarpoolSettings *settings);

/* Returns the string setting called name, or "" if there is none; it lives as long as settings. */
const char *cworker_setting_text(const CarpoolSettings *settings, const char *name);

/* ---- host ---- */

const char *cworker_host_name(const CarpoolHost *host);
bool		cworker_host_keeps_oids(const CarpoolHost *host);
void		cworker_log(const CarpoolHost *host, CarpoolLogLevel level, const char *line);
bool		cworker_cancel(const CarpoolHost *host, int32_t server_pid, uint32_t server_slot);
int			cworker_host_most_servers(const CarpoolHost *host);
/* Tells the host of a database and a user that no pool has any more; 0: none. */
void		cworker_forget(const CarpoolHost *host, uint32_t database_id, uint32_t user_id);
/* Returns the host's ledger, or NULL if the host has none. */
CledgerHeader *cworker_host_ledger(const CarpoolHost *host);

/*
 * Asks the host. client is the client's socket, for its address and OS user; -1: there is none.
 * Returns 1 if *answer is a new answer, which the caller frees; 0 if the host will answer by
 * carpool_worker_answer(); -1 if the host takes no more questions now.
 */
int			cworker_ask(const CarpoolHost *host, CarpoolTicket ticket, CarpoolQuestionNumbers numbers,
						int client, const char *user, const char *database, CarpoolAnswer **answer);

/* ---- answers ---- */

/* The strings of an answer; they live as long as the answer. */
enum CworkerText
{
	CWORKER_SECRET, CWORKER_SERVER_USER, CWORKER_SERVER_DATABASE,
	CWORKER_REFUSAL_STATE, CWORKER_REFUSAL_MESSAGE, CWORKER_REFUSAL_DETAIL, CWORKER_REFUSAL_HINT,
	CWORKER_FAILURE_STATE, CWORKER_FAILURE_MESSAGE, CWORKER_FAILURE_DETAIL, CWORKER_FAILURE_HINT
};

void		cworker_answer_free(CarpoolAnswer *answer);
CarpoolTicket cworker_answer_ticket(const CarpoolAnswer *answer);
CarpoolAnswerNumbers cworker_answer_numbers(const CarpoolAnswer *answer);
const char *cworker_answer_text(const CarpoolAnswer *answer, int text);
/* Returns the 32 bytes of mock_nonce. */
const uint8_t *cworker_answer_nonce(const CarpoolAnswer *answer);
/* Returns what ALTER ROLE and ALTER DATABASE have set, role_settings_size bytes. */
const void *cworker_answer_role_settings(const CarpoolAnswer *answer);
/* Returns the server's socket address, server_size bytes. */
const void *cworker_answer_server(const CarpoolAnswer *answer);

/* ---- ledger ---- */

/* What the ledger keeps of a client. */
typedef struct CworkerLedgerClient
{
	uint32_t	process_id;
	uint32_t	database_id;
	uint32_t	user_id;
	uint32_t	thread;
	int32_t		fd;				/* for the client's address */
} CworkerLedgerClient;

/* Frees the clients' slots that an earlier worker left in use. */
void		cworker_ledger_take_over(CledgerHeader *ledger);

/* Has a client begin to use a free slot; returns the reference to the client. */
uint64_t	cworker_ledger_enter(CledgerHeader *ledger, uint32_t slot, const CworkerLedgerClient *client);

/* Frees the slot of a client that has gone; returns false if it is not that client's any more. */
bool		cworker_ledger_leave(CledgerHeader *ledger, uint64_t reference);

#endif
