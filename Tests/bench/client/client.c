/*
 * client.c: the benchmark's client for what pgbench does not measure.
 *
 *   bench-client results HOST PORT USER DATABASE CLIENTS SECONDS SQL
 *       runs SQL (a query or COPY … TO STDOUT) over and over, throwing the result away
 *   bench-client copy-in HOST PORT USER DATABASE CLIENTS SECONDS SQL
 *       runs SQL (COPY … FROM STDIN) over and over, 10 MB of text rows each time
 *   bench-client logins  HOST PORT USER DATABASE CLIENTS SECONDS
 *       logs in and out over and over
 *   bench-client idle    HOST PORT USER DATABASE CLIENTS
 *       logs in CLIENTS times, says "ready"; after a line on stdin runs a query on each,
 *       says "ready"; logs out at the end of stdin
 *
 * The first three start all clients at once, each a process of its own, and print
 * "bytes=N count=N seconds=S": bytes of protocol and rounds of all clients, until the
 * last one has finished its last round.
 */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COPY_SIZE (10 * 1000 * 1000)
#define ROW_SIZE 1000			/* newline included */
#define ROWS_PER_MESSAGE 8		/* about what psql and libpq's users send at a time */

/* What one client did. */
typedef struct Tally
{
	uint64_t	bytes;
	uint64_t	count;
	double		end;
} Tally;

typedef struct Job
{
	Target		target;
	int			clients;
	double		seconds;
	const char *sql;
	/* one round; returns its bytes */
	uint64_t	(*round) (const struct Job *job, Reader *reader);
	int			keeps_login;	/* log in once, not in each round */
} Job;

static Reader shared_reader;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static uint64_t
round_of_results(const Job *job, Reader *reader)
{
	send_query(reader->fd, job->sql);
	return read_until(reader, 'Z');
}

/* Rows of letters in CopyData messages; the same bytes every time. */
static const unsigned char *
copy_messages(size_t *size)
{
	static unsigned char *messages;
	const size_t body = ROW_SIZE * ROWS_PER_MESSAGE;
	const size_t count = COPY_SIZE / body;

	*size = count * (body + 5);
	if (messages != NULL)
		return messages;
	messages = malloc(*size);
	if (messages == NULL)
		die("out of memory");
	for (size_t i = 0; i < count; i++)
	{
		unsigned char *message = messages + i * (body + 5);

		put_header(message, 'd', (uint32_t) body);
		memset(message + 5, 'x', body);
		for (size_t row = 1; row <= ROWS_PER_MESSAGE; row++)
			message[5 + row * ROW_SIZE - 1] = '\n';
	}
	return messages;
}

static uint64_t
round_of_copy_in(const Job *job, Reader *reader)
{
	size_t		size;
	const unsigned char *messages = copy_messages(&size);
	unsigned char done[5];

	send_query(reader->fd, job->sql);
	read_until(reader, 'G');
	send_all(reader->fd, messages, size);
	put_header(done, 'c', 0);
	send_all(reader->fd, done, sizeof(done));
	read_until(reader, 'Z');
	return size;
}

static uint64_t
round_of_login(const Job *job, Reader *reader)
{
	log_in(&job->target, reader);
	log_out(reader);
	return 0;
}

/* A client process: one round to warm up, then rounds from the common start on. */
static void
run_client(const Job *job, int ready, int start, int results)
{
	Tally		tally = {0};
	double		deadline;
	char		byte = 0;

	if (job->keeps_login)
		log_in(&job->target, &shared_reader);
	job->round(job, &shared_reader);
	if (write(ready, &byte, 1) != 1)
		die("the other processes are gone");
	close(ready);				/* so that a client that fails now is noticed */
	if (read(start, &byte, 1) != 0)
		die("the start is not to be had");
	deadline = now() + job->seconds;
	do
	{
		tally.bytes += job->round(job, &shared_reader);
		tally.count++;
		tally.end = now();
	} while (tally.end < deadline);
	if (job->keeps_login)
		log_out(&shared_reader);
	if (write(results, &tally, sizeof(tally)) != sizeof(tally))
		die("the result can't be handed over");
	exit(0);
}

static void
open_pipe(int ends[2])
{
	if (pipe(ends) != 0)
		die("no pipe");
}

static void
run_job(const Job *job)
{
	int			ready[2];
	int			start[2];
	int			results[2];
	Tally		total = {0};
	double		begin;
	char		byte;

	open_pipe(ready);
	open_pipe(start);
	open_pipe(results);
	for (int i = 0; i < job->clients; i++)
	{
		pid_t		child = fork();

		if (child < 0)
			die("no process for a client");
		if (child == 0)
		{
			close(ready[0]);
			close(start[1]);
			close(results[0]);
			run_client(job, ready[1], start[0], results[1]);
		}
	}
	close(ready[1]);
	close(results[1]);
	for (int i = 0; i < job->clients; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("a client failed before the start");
	begin = now();
	close(start[1]);
	for (int i = 0; i < job->clients; i++)
	{
		Tally		tally;

		if (read(results[0], &tally, sizeof(tally)) != sizeof(tally))
			die("a client failed");
		total.bytes += tally.bytes;
		total.count += tally.count;
		if (tally.end > total.end)
			total.end = tally.end;
	}
	while (wait(NULL) > 0)
		;
	printf("bytes=%llu count=%llu seconds=%.6f\n", (unsigned long long) total.bytes,
		   (unsigned long long) total.count, total.end - begin);
}

/* Says "ready" once all clients are in the state to be looked at. */
static void
say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void
hold_idle(const Job *job)
{
	int		   *sockets = calloc((size_t) job->clients, sizeof(int));
	char		line[16];

	if (sockets == NULL)
		die("out of memory");
	for (int i = 0; i < job->clients; i++)
	{
		log_in(&job->target, &shared_reader);
		sockets[i] = shared_reader.fd;
	}
	say_ready();
	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		for (int i = 0; i < job->clients; i++)
		{
			shared_reader.fd = sockets[i];
			send_query(sockets[i], "select 1");
			read_until(&shared_reader, 'Z');
		}
		say_ready();
	}
	for (int i = 0; i < job->clients; i++)
	{
		shared_reader.fd = sockets[i];
		log_out(&shared_reader);
	}
	free(sockets);
}

static int
positive(const char *text)
{
	int			value = atoi(text);

	if (value <= 0)
		die("%s is not a positive number", text);
	return value;
}

int
main(int count, char **words)
{
	Job			job = {0};
	const char *mode = count > 6 ? words[1] : "";

	if (count < 7)
		die("usage: bench-client results|copy-in|logins|idle HOST PORT USER DATABASE CLIENTS …");
	job.target = (Target) {
		.host = words[2], .port = positive(words[3]), .user = words[4], .database = words[5]
	};
	job.clients = positive(words[6]);
	if (strcmp(mode, "idle") == 0 && count == 7)
	{
		hold_idle(&job);
		return 0;
	}
	job.seconds = count > 7 ? atof(words[7]) : 0;
	job.sql = count > 8 ? words[8] : NULL;
	job.keeps_login = 1;
	if (strcmp(mode, "results") == 0 && count == 9)
		job.round = round_of_results;
	else if (strcmp(mode, "copy-in") == 0 && count == 9)
		job.round = round_of_copy_in;
	else if (strcmp(mode, "logins") == 0 && count == 8)
	{
		job.round = round_of_login;
		job.keeps_login = 0;
	}
	else
		die("wrong arguments");
	run_job(&job);
	return 0;
}
