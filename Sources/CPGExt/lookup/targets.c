/* targets.c: the addresses on which our own postmaster listens for us. */
#include "postgres.h"

#include <netdb.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ip.h"
#include "libpq/pqcomm.h"
#include "postmaster/postmaster.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "private/lookup.h"

#define MAX_TARGETS 32

/* Unix sockets first: they are the fastest. */
static CarpoolTarget found[MAX_TARGETS];
static int	found_count;

/* Adds an address unless it is there already. */
static void
add(const void *address, socklen_t size)
{
	if (found_count == MAX_TARGETS || size > sizeof(struct sockaddr_storage))
		return;
	for (int i = 0; i < found_count; i++)
		if (found[i].size == size && memcmp(&found[i].address, address, size) == 0)
			return;
	memcpy(&found[found_count].address, address, size);
	found[found_count++].size = size;
}

/* Adds the Unix socket in a directory; one that starts with @ is in the abstract namespace. */
static void
add_unix(const char *directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char		path[MAXPGPATH];
	socklen_t	size = sizeof(address);

	UNIXSOCK_PATH(path, PostPortNumber, directory);
	if (strlen(path) >= UNIXSOCK_PATH_BUFLEN)
		return;
	strlcpy(address.sun_path, path, sizeof(address.sun_path));
	if (path[0] == '@')
	{
		address.sun_path[0] = '\0';
		size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	}
	add(&address, size);
}

/* Whether somebody holds a TCP address: the postmaster does not get all it is told to listen on. */
static bool
is_taken(const struct sockaddr *address, socklen_t size)
{
	int			fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool		taken;

	if (fd < 0)
		return false;
	taken = bind(fd, address, size) < 0 && errno == EADDRINUSE;
	close(fd);
	return taken;
}

/* Adds the TCP addresses of a host. */
static void
add_host(const char *host)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *addresses = NULL;
	char		port[16];

	snprintf(port, sizeof(port), "%d", PostPortNumber);
	if (getaddrinfo(host, port, &hints, &addresses) != 0)
		return;
	for (struct addrinfo *at = addresses; at; at = at->ai_next)
		if (is_taken(at->ai_addr, at->ai_addrlen))
			add(at->ai_addr, at->ai_addrlen);
	freeaddrinfo(addresses);
}

/* Adds what an element of listen_addresses means for somebody on this host. */
static void
add_listen_address(const char *element)
{
	bool		all = strcmp(element, "*") == 0;

	if (all || strcmp(element, "0.0.0.0") == 0)
		add_host("127.0.0.1");
	if (all || strcmp(element, "::") == 0)
		add_host("::1");
	if (!all && strcmp(element, "0.0.0.0") != 0 && strcmp(element, "::") != 0)
		add_host(element);
}

/* Finds the addresses, once: neither setting can change while the server runs. */
void
carpool_targets_open(void)
{
	char	   *directories = pstrdup(Unix_socket_directories);
	char	   *hosts = pstrdup(ListenAddresses);
	List	   *elements;
	ListCell   *cell;

	if (SplitDirectoriesString(directories, ',', &elements))
		foreach(cell, elements)
			add_unix(lfirst(cell));
	if (SplitGUCList(hosts, ',', &elements))
		foreach(cell, elements)
			add_listen_address(lfirst(cell));
}

/* The addresses, in the order in which they are to be tried. */
int
carpool_targets(const CarpoolTarget **targets)
{
	*targets = found;
	return found_count;
}
