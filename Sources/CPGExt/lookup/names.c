/*
 * names.c: host names of peers, for rules that name a host. A resolver may take seconds,
 * so threads of its own ask it, and the question waits aside; no other login notices.
 *
 * The main thread owns all but what the mutex guards. The threads run no PostgreSQL
 * code, start with the first name wanted and never end.
 */
#include "postgres.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "utils/memutils.h"

#include "private/mailbox.h"
#include "private/rules.h"

#define RESOLVERS 4
#define NAMES 256
#define MOST_WAITING 2048		/* questions put aside; as many as the mailbox takes */
#define GOOD_FOR 10				/* seconds until a name is looked up again */
#define PATIENCE 10				/* seconds after which a peer counts as nameless */

typedef enum NameState
{
	NAME_UNUSED, NAME_WANTED, NAME_SOUGHT, NAME_KNOWN
} NameState;

/* A peer's name; "" when it has none that leads back to its address. */
typedef struct PeerName
{
	NameState	state;
	struct sockaddr_storage address;
	socklen_t	size;
	time_t		since;			/* wanted, or known */
	char		name[NI_MAXHOST];
} PeerName;

/* A question put aside. */
typedef struct Waiting
{
	struct Waiting *next;
	struct sockaddr_storage address;
	CarpoolQuestion question;
} Waiting;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;
static PeerName *names;			/* guarded by the mutex, but for the name of a known one */
static bool closing;			/* guarded by the mutex */
static int	resolvers;
static Waiting *first_waiting;
static Waiting **last_waiting = &first_waiting;
static int	waiting_count;

/* Seconds of a clock that only goes forward. */
static time_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* Whether two addresses are the same host, whatever the port. */
static bool
same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((struct sockaddr_in *) a)->sin_addr.s_addr == ((struct sockaddr_in *) b)->sin_addr.s_addr;
	return memcmp(&((struct sockaddr_in6 *) a)->sin6_addr, &((struct sockaddr_in6 *) b)->sin6_addr,
				  sizeof(struct in6_addr)) == 0;
}

/* Finds the name of an address that has the address among its own; else name is "". */
static void
resolve(const struct sockaddr_storage *address, socklen_t size, char *name)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	bool		leads_back = false;

	if (getnameinfo((const struct sockaddr *) address, size, name, NI_MAXHOST, NULL, 0, NI_NAMEREQD) == 0 &&
		getaddrinfo(name, NULL, &hints, &found) == 0)
	{
		for (struct addrinfo *at = found; at && !leads_back; at = at->ai_next)
			leads_back = same_host((struct sockaddr_storage *) at->ai_addr, address);
		freeaddrinfo(found);
	}
	if (!leads_back)
		name[0] = '\0';
}

/* A name somebody wants; with the mutex. */
static PeerName *
next_wanted(void)
{
	for (int i = 0; i < NAMES; i++)
		if (names[i].state == NAME_WANTED)
			return &names[i];
	return NULL;
}

/* What a resolver thread does. */
static void *
run_resolver(void *unused)
{
	pthread_mutex_lock(&mutex);
	for (;;)
	{
		PeerName   *peer = closing ? NULL : next_wanted();

		if (peer == NULL)
		{
			pthread_cond_wait(&wanted, &mutex);
			continue;
		}
		peer->state = NAME_SOUGHT;
		pthread_mutex_unlock(&mutex);
		resolve(&peer->address, peer->size, peer->name);
		pthread_mutex_lock(&mutex);
		peer->state = NAME_KNOWN;
		peer->since = now();
		if (!closing)
			carpool_mailbox_wake();
	}
	return NULL;
}

/* Starts the threads, if not done; false when there is none. */
static bool
start_resolvers(void)
{
	sigset_t	all,
				old;
	pthread_attr_t attributes;
	pthread_t	thread;

	if (resolvers > 0)
		return true;
	names = MemoryContextAllocZero(TopMemoryContext, NAMES * sizeof(PeerName));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < RESOLVERS; i++)
		if (pthread_create(&thread, &attributes, run_resolver, NULL) == 0)
			resolvers++;
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (resolvers > 0)
		return true;
	pfree(names);
	names = NULL;
	return false;
}

/* The entry of an address, made if there is room for one more; with the mutex. */
static PeerName *
entry_of(const struct sockaddr_storage *address, socklen_t size)
{
	PeerName   *room = NULL;

	for (int i = 0; i < NAMES; i++)
	{
		PeerName   *peer = &names[i];

		if (peer->state != NAME_UNUSED && same_host(&peer->address, address))
			return peer;
		if (peer->state == NAME_UNUSED ||
			(peer->state == NAME_KNOWN &&
			 (room == NULL || (room->state == NAME_KNOWN && peer->since < room->since))))
			room = peer;
	}
	if (room == NULL)
		return NULL;
	room->state = NAME_UNUSED;
	room->address = *address;
	room->size = size;
	return room;
}

/*
 * The name of a TCP peer, "" for none. False: it is not known yet, and is being looked
 * for; see carpool_names_wait(). The name is good until the main thread asks again.
 */
bool
carpool_name_of(const struct sockaddr_storage *address, socklen_t size, const char **name)
{
	PeerName   *peer;
	bool		known = true;

	*name = "";
	if (!start_resolvers())
		return true;
	pthread_mutex_lock(&mutex);
	peer = entry_of(address, size);
	if (peer && (peer->state == NAME_UNUSED || (peer->state == NAME_KNOWN && now() - peer->since > GOOD_FOR)))
	{
		peer->state = NAME_WANTED;
		peer->since = now();
		pthread_cond_signal(&wanted);
	}
	if (peer && peer->state == NAME_KNOWN)
		*name = peer->name;
	else if (peer)
		known = now() - peer->since > PATIENCE;
	pthread_mutex_unlock(&mutex);
	return known;
}

/* Puts a question aside until the name of an address is known; throws 53300 when too many are. */
void
carpool_names_wait(const struct sockaddr_storage *address, const CarpoolQuestion *question)
{
	Waiting    *waiting;

	if (waiting_count >= MOST_WAITING)
		ereport(ERROR, (errcode(ERRCODE_TOO_MANY_CONNECTIONS),
						errmsg("too many logins wait for names of hosts")));
	waiting_count++;
	waiting = MemoryContextAlloc(TopMemoryContext, sizeof(Waiting));
	waiting->next = NULL;
	waiting->address = *address;
	waiting->question = *question;
	*last_waiting = waiting;
	last_waiting = &waiting->next;
}

/* Whether the wait for an address is over. */
static bool
wait_over(const Waiting *waiting)
{
	bool		over = true;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < NAMES; i++)
		if ((names[i].state == NAME_WANTED || names[i].state == NAME_SOUGHT) &&
			same_host(&names[i].address, &waiting->address))
			over = now() - names[i].since > PATIENCE;
	pthread_mutex_unlock(&mutex);
	return over;
}

/* Takes back a question whose name is known now; false when there is none. */
bool
carpool_names_take(CarpoolQuestion *question)
{
	for (Waiting **link = &first_waiting; *link; link = &(*link)->next)
	{
		Waiting    *waiting = *link;

		if (!wait_over(waiting))
			continue;
		*question = waiting->question;
		*link = waiting->next;
		if (last_waiting == &waiting->next)
			last_waiting = link;
		pfree(waiting);
		waiting_count--;
		return true;
	}
	return false;
}

/* Before the process ends: the threads do nothing any more but wait. */
void
carpool_names_close(void)
{
	pthread_mutex_lock(&mutex);
	closing = true;
	pthread_mutex_unlock(&mutex);
}
