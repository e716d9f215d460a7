/* socket.c: sockets, epoll, eventfd and memory for the worker. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "csys.h"

int
csys_epoll_create(void)
{
	int			fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int
epoll_watch(int epoll, int operation, int fd, uint64_t data, uint32_t mask)
{
	struct epoll_event event = {.events = mask, .data.u64 = data};

	return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

static uint32_t
edges(bool output)
{
	return EPOLLIN | EPOLLRDHUP | EPOLLET | (output ? EPOLLOUT : 0);
}

int
csys_epoll_add(int epoll, int fd, uint64_t data, bool output)
{
	return epoll_watch(epoll, EPOLL_CTL_ADD, fd, data, edges(output));
}

int
csys_epoll_change(int epoll, int fd, uint64_t data, bool output)
{
	return epoll_watch(epoll, EPOLL_CTL_MOD, fd, data, edges(output));
}

int
csys_epoll_add_level(int epoll, int fd, uint64_t data)
{
	return epoll_watch(epoll, EPOLL_CTL_ADD, fd, data, EPOLLIN);
}

int
csys_epoll_delete(int epoll, int fd)
{
	return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

struct epoll_event *
csys_events_new(int count)
{
	return csys_reserve((size_t) count * sizeof(struct epoll_event));
}

int
csys_eventfd(void)
{
	int			fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void
csys_eventfd_write(int fd)
{
	uint64_t	one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void
csys_eventfd_read(int fd)
{
	uint64_t	count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static struct timespec
time_of(uint64_t nanoseconds)
{
	struct timespec time = {
		.tv_sec = (time_t) (nanoseconds / 1000000000u), .tv_nsec = (long) (nanoseconds % 1000000000u)
	};

	return time;
}

int
csys_timer(uint64_t nanoseconds)
{
	int			fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct timespec period = time_of(nanoseconds);
	struct itimerspec times = {.it_interval = period, .it_value = period};

	if (fd < 0 || timerfd_settime(fd, 0, &times, NULL) < 0)
	{
		int			error = errno;

		csys_close(fd);
		return -error;
	}
	return fd;
}

void
csys_timer_hasten(int fd, uint64_t nanoseconds)
{
	struct itimerspec times;
	struct timespec wanted = time_of(nanoseconds);

	if (timerfd_gettime(fd, &times) < 0 || times.it_value.tv_sec < wanted.tv_sec ||
		(times.it_value.tv_sec == wanted.tv_sec && times.it_value.tv_nsec <= wanted.tv_nsec))
		return;
	times.it_value = wanted;
	(void) timerfd_settime(fd, 0, &times, NULL);
}

void
csys_timer_read(int fd)
{
	csys_eventfd_read(fd);
}

long
csys_file_limit(long wanted)
{
	struct rlimit limit;
	rlim_t		before;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	before = limit.rlim_cur;
	if (before < (rlim_t) wanted)
	{
		limit.rlim_cur = limit.rlim_max < (rlim_t) wanted ? limit.rlim_max : (rlim_t) wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			limit.rlim_cur = before;
	}
	return limit.rlim_cur < LONG_MAX ? (long) limit.rlim_cur : LONG_MAX;
}

void
csys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
csys_shutdown(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

void
csys_shutdown_output(int fd)
{
	shutdown(fd, SHUT_WR);
}

/* No delay and keep-alive, as PgBouncer and PostgreSQL set them. */
static void
tune_tcp(int fd, int family)
{
	int			on = 1;

	if (family == AF_UNIX)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int
csys_listen(const struct sockaddr_storage *address, socklen_t size, int backlog)
{
	int			on = 1;
	int			fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *) address, size) == 0 && listen(fd, backlog) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int
csys_listen_unix(const char *path, int backlog, int mode)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_un *address = (struct sockaddr_un *) &storage;
	int			fd;

	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);

	/* A socket that nobody answers on is left over from a crash. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *) address, sizeof(*address)) == 0 || errno == EAGAIN)
	{
		close(fd);
		return -EADDRINUSE;
	}
	close(fd);
	unlink(path);
	fd = csys_listen(&storage, sizeof(*address), backlog);
	if (fd >= 0)
		chmod(path, (mode_t) mode);
	return fd;
}

int
csys_accept(int fd)
{
	struct sockaddr_storage peer;
	socklen_t	size;
	int			client;

	do
	{
		size = sizeof(peer);
		client = accept4(fd, (struct sockaddr *) &peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (client < 0)
		return -errno;
	tune_tcp(client, peer.ss_family);
	return client;
}

int
csys_connect(const void *bytes, socklen_t size)
{
	const struct sockaddr *address = bytes;
	int			fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			error;

	if (fd < 0)
		return -errno;
	tune_tcp(fd, address->sa_family);
	if (connect(fd, address, size) == 0 || errno == EINPROGRESS)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int
csys_socket_error(int fd)
{
	int			error = 0;
	socklen_t	size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

void
csys_address_text(const void *bytes, char *text, size_t size)
{
	const struct sockaddr_storage *address = bytes;
	char		host[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
	}
	else if (address->ss_family == AF_INET6)
	{
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%d", host, ntohs(in6->sin6_port));
	}
	else
		snprintf(text, size, "unix");
}

socklen_t
csys_peer_address(int fd, struct sockaddr_storage *address)
{
	socklen_t	size = sizeof(*address);

	memset(address, 0, sizeof(*address));
	return getpeername(fd, (struct sockaddr *) address, &size) == 0 ? size : 0;
}

void
csys_peer_text(int fd, char *text, size_t size)
{
	struct sockaddr_storage peer;

	if (csys_peer_address(fd, &peer) == 0)
		snprintf(text, size, "?");
	else
		csys_address_text(&peer, text, size);
}

int
csys_resolve(const char *name, int port, struct sockaddr_storage *addresses, socklen_t *sizes, int count)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;
	char		service[16];
	int			n = 0;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(strcmp(name, "*") == 0 ? NULL : name, service, &hints, &found) != 0)
		return -1;
	for (struct addrinfo *each = found; each && n < count; each = each->ai_next)
	{
		memset(&addresses[n], 0, sizeof(addresses[n]));
		memcpy(&addresses[n], each->ai_addr, each->ai_addrlen);
		sizes[n++] = each->ai_addrlen;
	}
	freeaddrinfo(found);
	return n;
}

bool
csys_random(void *buffer, size_t size)
{
	char	   *to = buffer;

	while (size > 0)
	{
		ssize_t		n = getrandom(to, size, 0);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
		{
			to += n;
			size -= (size_t) n;
		}
	}
	return true;
}

void *
csys_reserve(size_t size)
{
	void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
							  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

/* Stock of free blocks, chained through their first word. */
static __thread void *block_stock;
static __thread int block_stock_count;

#define BLOCK_STOCK_MAX 256

void *
csys_block_take(void)
{
	void	   *block = block_stock;

	if (block)
	{
		block_stock = *(void **) block;
		block_stock_count--;
		return block;
	}
	block = malloc(CSYS_BLOCK_SIZE);
	if (block == NULL)
		abort();
	return block;
}

void
csys_block_give(void *block)
{
	if (block_stock_count >= BLOCK_STOCK_MAX)
	{
		free(block);
		return;
	}
	*(void **) block = block_stock;
	block_stock = block;
	block_stock_count++;
}
