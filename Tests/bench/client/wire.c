/* wire.c: connecting, logging in, reading and throwing away; see wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROTOCOL_3_0 196608

void
die(const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	fputs("bench-client: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

void
send_all(int fd, const void *bytes, size_t size)
{
	const char *next = bytes;

	while (size > 0)
	{
		ssize_t		sent = send(fd, next, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			die("send: %s", strerror(errno));
		next += sent;
		size -= (size_t) sent;
	}
}

void
put_header(unsigned char *place, char type, uint32_t body_size)
{
	uint32_t	length = htonl(body_size + 4);

	place[0] = (unsigned char) type;
	memcpy(place + 1, &length, sizeof(length));
}

void
send_query(int fd, const char *sql)
{
	unsigned char message[4096];
	size_t		size = strlen(sql) + 1;

	if (size > sizeof(message) - 5)
		die("the query is too long");
	put_header(message, 'Q', (uint32_t) size);
	memcpy(message + 5, sql, size);
	send_all(fd, message, size + 5);
}

/* Receives what is there; waits when nothing is. Returns false at the end of the stream. */
static int
fill(Reader *reader)
{
	ssize_t		received;

	do
		received = recv(reader->fd, reader->data, sizeof(reader->data), 0);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		die("recv: %s", strerror(errno));
	reader->at = 0;
	reader->filled = (size_t) received;
	return received > 0;
}

/* Takes size bytes, copying the first keep of them to place. */
static void
take(Reader *reader, size_t size, unsigned char *place, size_t keep)
{
	while (size > 0)
	{
		size_t		step = reader->filled - reader->at;

		if (step == 0)
		{
			if (!fill(reader))
				die("the connection was closed in the middle of an answer");
			continue;
		}
		if (step > size)
			step = size;
		if (keep > 0)
		{
			size_t		copied = keep < step ? keep : step;

			memcpy(place, reader->data + reader->at, copied);
			place += copied;
			keep -= copied;
		}
		reader->at += step;
		size -= step;
	}
}

/* Ends the program with the message field of an ErrorResponse. */
static void
die_of_error(const unsigned char *body, size_t size)
{
	const unsigned char *end = body + size;

	while (body < end && *body != 0)
	{
		size_t		length = strnlen((const char *) body, (size_t) (end - body));

		if (*body == 'M')
			die("the server says: %.*s", (int) length - 1, (const char *) body + 1);
		body += length + 1;
	}
	die("the server sent an error without a message");
}

uint64_t
read_until(Reader *reader, char last)
{
	uint64_t	bytes = 0;
	unsigned char kept[1024];

	for (;;)
	{
		unsigned char header[5];
		uint32_t	length;
		size_t		body;
		int			looked_at;

		take(reader, sizeof(header), header, sizeof(header));
		memcpy(&length, header + 1, sizeof(length));
		length = ntohl(length);
		if (length < 4 || length > INT32_MAX)
			die("a message of type %c has the length %u", header[0], length);
		body = length - 4;
		looked_at = header[0] == 'E' || header[0] == 'R';
		take(reader, body, kept, looked_at ? sizeof(kept) : 0);
		bytes += length + 1;
		if (header[0] == 'E')
			die_of_error(kept, body < sizeof(kept) ? body : sizeof(kept));
		if (header[0] == 'R' && (body != 4 || memcmp(kept, "\0\0\0\0", 4) != 0))
			die("the server asks for a password; only trust is supported");
		if (header[0] == (unsigned char) last)
			return bytes;
	}
}

static int
connect_to(const Target *target)
{
	int			fd;
	int			one = 1;

	if (target->host[0] == '/')
	{
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int			size = snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%d",
									target->host, target->port);

		if (size < 0 || (size_t) size >= sizeof(address.sun_path))
			die("the path of the socket is too long");
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
			die("connect to %s: %s", address.sun_path, strerror(errno));
		return fd;
	}

	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) target->port)};

	if (inet_pton(AF_INET, target->host, &address.sin_addr) != 1)
		die("%s is not an IPv4 address", target->host);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		die("connect to %s:%d: %s", target->host, target->port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void
log_in(const Target *target, Reader *reader)
{
	unsigned char packet[512];
	uint32_t	word = htonl(PROTOCOL_3_0);
	size_t		size = 8;
	const char *const pairs[] = {"user", target->user, "database", target->database};

	memcpy(packet + 4, &word, sizeof(word));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		size_t		length = strlen(pairs[i]) + 1;

		if (size + length >= sizeof(packet))
			die("the names are too long");
		memcpy(packet + size, pairs[i], length);
		size += length;
	}
	packet[size++] = 0;
	word = htonl((uint32_t) size);
	memcpy(packet, &word, sizeof(word));

	reader->fd = connect_to(target);
	reader->at = reader->filled = 0;
	send_all(reader->fd, packet, size);
	read_until(reader, 'Z');
}

void
log_out(Reader *reader)
{
	unsigned char message[5];

	put_header(message, 'X', 0);
	send_all(reader->fd, message, sizeof(message));
	while (fill(reader))
		;
	close(reader->fd);
}
