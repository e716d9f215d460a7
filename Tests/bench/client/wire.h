/*
 * wire.h: one connection to a PostgreSQL server or pooler over a blocking socket, no
 * library in between: what a fast client costs must not hide what a pooler costs.
 * Whatever goes wrong ends the program with status 1 and a line on stderr.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* Where to log in; host starts with '/' for the folder of a Unix socket. */
typedef struct Target
{
	const char *host;
	int			port;
	const char *user;
	const char *database;
} Target;

/* Bytes received and not yet looked at; one at a time may serve many sockets. */
typedef struct Reader
{
	int			fd;
	size_t		at;				/* next unread byte of data */
	size_t		filled;			/* bytes of data */
	unsigned char data[256 * 1024];
} Reader;

void		die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Connects and logs in, without a password; leaves reader with the socket and empty. */
void		log_in(const Target *target, Reader *reader);

/* Sends Terminate, waits until the other side has closed, closes. */
void		log_out(Reader *reader);

void		send_all(int fd, const void *bytes, size_t size);
void		send_query(int fd, const char *sql);

/*
 * Reads messages and throws them away, up to and including one of type last. Returns
 * the bytes read, headers included. An ErrorResponse ends the program.
 */
uint64_t	read_until(Reader *reader, char last);

/* Writes a message's header: its type and the size of the body that follows. */
void		put_header(unsigned char *place, char type, uint32_t body_size);

#endif
