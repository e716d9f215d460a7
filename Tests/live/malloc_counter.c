/*
 * malloc_counter.c: preloaded into the launcher, it counts the calls of malloc and its
 * kin into a file of eight bytes, MALLOC_COUNTER, that a test reads while it runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static uint64_t unread;
static uint64_t *counter = &unread;

__attribute__((constructor)) static void
map_counter(void)
{
	const char *path = getenv("MALLOC_COUNTER");
	int			fd = path ? open(path, O_RDWR) : -1;
	void	   *memory = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory != MAP_FAILED)
		counter = memory;
	if (fd >= 0)
		close(fd);
}

static void
count(void)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

void *
malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *
calloc(size_t number, size_t size)
{
	count();
	return __libc_calloc(number, size);
}

void *
realloc(void *memory, size_t size)
{
	count();
	return __libc_realloc(memory, size);
}
