/*
 * session.c: holds whose session this backend has, and what its agent is doing, in variables that
 * all parts of the agent read and that agent.c and attach.c write; this file uses no other file
 * of the agent.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/guc.h"

#include "private/session.h"

CledgerServer *carpool_own_server;
uint64		carpool_client;
uint64		carpool_held_client;
bool		carpool_agent_is_working;
bool		carpool_agent_silent;
bool		carpool_is_stale;

void
carpool_silence_begin(void)
{
	carpool_agent_silent = true;
}

void
carpool_silence_end(void)
{
	ReportChangedGUCOptions();
	carpool_agent_silent = false;
}

void
carpool_begin_transaction(void)
{
	if (!IsTransactionState())
		StartTransactionCommand();
}
