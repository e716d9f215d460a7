/*
 * mailbox.c: two bounded queues from the engine threads to the main thread, and the
 * eventfd that wakes it. The engine threads' side calls no PostgreSQL function.
 */
#include "postgres.h"

#include <pthread.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "csys.h"

#include "private/mailbox.h"

#define QUESTIONS 2048
#define LINES 512
#define LINE_SIZE 1000

typedef struct Line
{
	CarpoolLogLevel level;
	char		text[LINE_SIZE];
} Line;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int	wake_fd = -1;

/* Filled from the start again whenever they ran empty, so quiet times touch little memory. */
static CarpoolQuestion *questions;
static unsigned first_question,
			question_count;
static Line *lines;
static unsigned first_line,
			line_count;
static uint64 dropped_lines;

int
carpool_eventfd_open(void)
{
	int			fd = csys_eventfd();

	if (fd < 0)
	{
		errno = -fd;
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create an eventfd: %m")));
	}
	return fd;
}

/* Makes queues and eventfd; before any engine thread runs. */
void
carpool_mailbox_open(void)
{
	questions = MemoryContextAlloc(TopMemoryContext, QUESTIONS * sizeof(CarpoolQuestion));
	lines = MemoryContextAlloc(TopMemoryContext, LINES * sizeof(Line));
	wake_fd = carpool_eventfd_open();
}

/* Becomes readable when something is in the mailbox; read it before looking. */
int
carpool_mailbox_fd(void)
{
	return wake_fd;
}

/* Wakes the main thread. */
void
carpool_mailbox_wake(void)
{
	csys_eventfd_write(wake_fd);	/* EAGAIN: it is awake already */
}

/* CarpoolHost.ask: 0, the answer comes later, or -1 while the queue is full. */
int
carpool_mailbox_ask(void *context, const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	bool		taken;
	bool		first = false;

	pthread_mutex_lock(&mutex);
	taken = question_count < QUESTIONS;
	if (taken)
	{
		questions[(first_question + question_count) % QUESTIONS] = *question;
		first = question_count++ == 0;
	}
	pthread_mutex_unlock(&mutex);
	if (first)
		carpool_mailbox_wake();
	return taken ? 0 : -1;
}

/* Takes out the oldest question; false when there is none. */
bool
carpool_mailbox_take(CarpoolQuestion *question)
{
	bool		found;

	pthread_mutex_lock(&mutex);
	found = question_count > 0;
	if (found)
	{
		*question = questions[first_question];
		first_question = --question_count > 0 ? (first_question + 1) % QUESTIONS : 0;
	}
	pthread_mutex_unlock(&mutex);
	return found;
}

/* CarpoolHost.log: a line too many is counted and dropped. */
void
carpool_mailbox_say(void *context, CarpoolLogLevel level, const char *text)
{
	bool		first = false;

	pthread_mutex_lock(&mutex);
	if (line_count < LINES)
	{
		Line	   *line = &lines[(first_line + line_count) % LINES];

		line->level = level;
		strncpy(line->text, text, LINE_SIZE - 1);
		line->text[LINE_SIZE - 1] = '\0';
		first = line_count++ == 0;
	}
	else
		dropped_lines++;
	pthread_mutex_unlock(&mutex);
	if (first)
		carpool_mailbox_wake();
}

/* Takes out the oldest line and what has been dropped so far; false when there is none. */
static bool
take_line(Line *line, uint64 *dropped)
{
	bool		found;

	pthread_mutex_lock(&mutex);
	found = line_count > 0;
	if (found)
	{
		*line = lines[first_line];
		first_line = --line_count > 0 ? (first_line + 1) % LINES : 0;
	}
	*dropped = dropped_lines;
	dropped_lines = 0;
	pthread_mutex_unlock(&mutex);
	return found;
}

/* The level of PostgreSQL's log for one of ours. */
static int
elevel_of(CarpoolLogLevel level)
{
	switch (level)
	{
		case CARPOOL_LOG_DEBUG:
			return DEBUG1;
		case CARPOOL_LOG_INFO:
			return LOG;
		case CARPOOL_LOG_WARNING:
		case CARPOOL_LOG_ERROR:
			break;
	}
	return WARNING;
}

/* Writes all waiting lines to the server's log; a control character can't fake a line of it. */
void
carpool_mailbox_log(void)
{
	static Line line;
	uint64		dropped;
	int			budget = LINES;

	HOLD_INTERRUPTS();
	while (budget-- > 0 && take_line(&line, &dropped))
	{
		for (char *at = line.text; *at; at++)
			if ((unsigned char) *at < ' ')
				*at = '?';
		ereport(elevel_of(line.level), (errmsg_internal("%s", line.text), errhidecontext(true)));
		if (dropped > 0)
			ereport(WARNING, (errmsg("carpool dropped " UINT64_FORMAT " log lines", dropped)));
	}
	RESUME_INTERRUPTS();
}
