/*
 * ctesthost.h: a host of the worker for tests, whose answers a test gives. The structs of
 * chost.h hold long character arrays; here a test sees numbers and pointers to strings.
 */
#ifndef CARPOOL_TEST_HOST_H
#define CARPOOL_TEST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CtestHost CtestHost;
typedef struct CarpoolSettings CarpoolSettings;

/* A question of the worker. The strings live as long as the call. */
typedef struct CtestQuestion
{
	uint32_t	kind;			/* CarpoolQuestionKind: login, route, confirm */
	uint32_t	thread;
	uint32_t	slot;
	uint32_t	generation;
	const char *user;
	const char *database;
	uint32_t	database_id;
	uint32_t	user_id;
	uint32_t	holds;			/* CARPOOL_HOLDS_… */
	int32_t		server_pid;
} CtestQuestion;

/* An answer to it; NULL stands for "". The strings are copied. */
typedef struct CtestAnswer
{
	uint32_t	kind;			/* kind to generation are those of the question */
	uint32_t	thread;
	uint32_t	slot;
	uint32_t	generation;
	int32_t		method;			/* CarpoolMethod */
	const char *refusal;		/* "SQLSTATE message" */
	const char *failure;		/* the same */
	const char *secret;
	uint32_t	database_id;
	uint32_t	user_id;
	uint64_t	facts;
	int32_t		pool_mode;		/* CarpoolPoolMode */
	int32_t		pool_size;
	int32_t		min_pool_size;
	int32_t		max_db_connections;
	int32_t		max_user_connections;
	double		server_lifetime;
	double		client_idle_timeout;
	double		idle_transaction_timeout;
	const char *server;			/* name of an abstract Unix socket */
	const char *server_user;
	const char *server_database;
	uint32_t	server_slot;
	bool		must_become;
	bool		may_share;
} CtestAnswer;

/* What a test does as a host; each is called on the thread that turns the worker. */
typedef struct CtestCalls
{
	void	   *context;
	/* As CarpoolHost.ask. */
	int			(*ask) (void *context, const CtestQuestion *question, CtestAnswer *answer);
	void		(*log) (void *context, int level, const char *line);
	bool		(*cancel) (void *context, int32_t server_pid, uint32_t server_slot);
} CtestCalls;

/*
 * A host, in memory of its own with a ledger of so many slots, never given back; the pointer is
 * one to a CarpoolHost, too.
 */
CtestHost  *ctest_host_new(const CtestCalls *calls, bool keeps_oids, uint32_t clients, uint32_t servers);

/* Its ledger: a CledgerHeader. */
void	   *ctest_host_ledger(CtestHost *host);

/* A CarpoolAnswer with these values, for the message that brings an answer; malloc'd. */
void	   *ctest_answer_new(const CtestAnswer *answer);

/* All defaults; malloc'd. */
CarpoolSettings *ctest_settings_new(void);

/* Sets one of them; false when there is none of that name, or it does not take the text. */
bool		ctest_settings_set(CarpoolSettings *settings, const char *name, const char *text);

/* Gives back what is malloc'd here. */
void		ctest_free(void *memory);

/* A non-blocking listener on an abstract Unix socket, or -errno. */
int			ctest_listen(const char *name, int backlog);

/* A pair of connected, non-blocking stream sockets; 0 or -errno. */
int			ctest_pair(int fds[2]);

/* The timer never expires again. */
void		ctest_timer_stop(int fd);

#endif
