/*
 * csys.h: every system call and C primitive that the worker uses. Functions marked HOT are
 * the reviewable list of what the hot path may do: the mark lets functions that are
 * @_noLocks in Swift call them. Functions return errors as -errno, and try again after EINTR.
 */
#ifndef CARPOOL_SYS_H
#define CARPOOL_SYS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define HOT __attribute__((swift_attr("@_noLocks")))

/*
 * The three calls of the hot path go straight to the kernel: in a process with threads
 * the C library's wrappers are cancellation points, which costs more than the rest of
 * the wrapper together; and the kernel leaves the caller's registers alone, which a
 * function call does not. Returns the call's result, or -errno; does not change errno.
 */
HOT static inline long
csys_call(long number, long a, const void *b, long c, long d, const void *e, long f)
{
#if defined(__x86_64__)
	long		result;
	register long r10 __asm__("r10") = d;
	register const void *r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__		volatile("syscall"
						 : "=a"(result)
						 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
						 : "rcx", "r11", "memory");

	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register const void *x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register const void *x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__		volatile("svc #0"
						 : "+r"(x0)
						 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
						 : "memory");

	return x0;
#else
	long		result = syscall(number, a, b, c, d, e, f);

	return result < 0 ? -errno : result;
#endif
}

/* Returns the number of bytes received into buffer, 0 at end of stream, or -errno. */
HOT static inline ssize_t
csys_recv(int fd, void *buffer, size_t size)
{
	ssize_t		n;

	do
		n = csys_call(SYS_recvfrom, fd, buffer, (long) size, 0, NULL, 0);
	while (n == -EINTR);
	return n;
}

/* Returns the number of bytes that the kernel took, or -errno; never raises SIGPIPE. */
HOT static inline ssize_t
csys_send(int fd, const void *buffer, size_t size)
{
	ssize_t		n;

	do
		n = csys_call(SYS_sendto, fd, buffer, (long) size, MSG_NOSIGNAL, NULL, 0);
	while (n == -EINTR);
	return n;
}

/* Returns the number of ready descriptors; 0 on time-out or signal, too. */
HOT static inline int
csys_epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	long		n = csys_call(SYS_epoll_pwait, epoll, events, count, milliseconds, NULL, 0);

	return n < 0 ? 0 : (int) n;
}

/* Returns the nanoseconds of the monotonic clock. */
HOT static inline uint64_t
csys_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

HOT static inline void
csys_copy(void *to, const void *from, size_t size)
{
	memmove(to, from, size);
}

HOT static inline int32_t
csys_atomic_load(const int32_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

HOT static inline int32_t
csys_atomic_add(int32_t *value, int32_t delta)
{
	return __atomic_add_fetch(value, delta, __ATOMIC_ACQ_REL);
}

HOT static inline void
csys_atomic_store(int32_t *value, int32_t to)
{
	__atomic_store_n(value, to, __ATOMIC_RELEASE);
}

/* Return the event mask and the user data of an epoll_event, whose layout is packed. */
HOT static inline uint32_t
csys_event_mask(const struct epoll_event *events, int index)
{
	return events[index].events;
}

HOT static inline uint64_t
csys_event_data(const struct epoll_event *events, int index)
{
	return events[index].data.u64;
}

/*
 * Blocks of CSYS_BLOCK_SIZE bytes for bytes that wait. Each engine thread has its own stock
 * (thread-local), so the functions need no lock. take calls malloc only if the stock is empty.
 */
#define CSYS_BLOCK_SIZE (72 * 1024)
HOT void   *csys_block_take(void);
HOT void	csys_block_give(void *block);

/* ---- set-up and slow paths ---- */

int			csys_epoll_create(void);
/* Watch fd, edge-triggered, for input and hang-up, and on demand for output. */
int			csys_epoll_add(int epoll, int fd, uint64_t data, bool output);
int			csys_epoll_change(int epoll, int fd, uint64_t data, bool output);
/* Watches fd, level-triggered, for input only. */
int			csys_epoll_add_level(int epoll, int fd, uint64_t data);
int			csys_epoll_delete(int epoll, int fd);
struct epoll_event *csys_events_new(int count);

int			csys_eventfd(void);
void		csys_eventfd_write(int fd);
void		csys_eventfd_read(int fd);

/* Returns a descriptor that is readable each time so many nanoseconds have passed; read resets it. */
int			csys_timer(uint64_t nanoseconds);
/* Makes the descriptor readable after so many nanoseconds (more than 0), if not earlier. */
void		csys_timer_hasten(int fd, uint64_t nanoseconds);
void		csys_timer_read(int fd);

/*
 * Raises the soft limit of descriptors to wanted, or as far as the hard limit allows; returns
 * the soft limit then.
 */
long		csys_file_limit(long wanted);

void		csys_close(int fd);
/* Shuts both directions down without closing. */
void		csys_shutdown(int fd);

/* Ends the stream to the peer after what was sent; the peer may go on sending. */
void		csys_shutdown_output(int fd);

/*
 * Sockets. All are non-blocking and close-on-exec, TCP ones with no delay and with
 * keep-alive. listen returns a descriptor or -errno.
 */
int			csys_listen(const struct sockaddr_storage *address, socklen_t size, int backlog);
int			csys_listen_unix(const char *path, int backlog, int mode);
int			csys_accept(int fd);
int			csys_connect(const void *address, socklen_t size);	/* in progress: fd */
int			csys_socket_error(int fd);	/* SO_ERROR as -errno or 0 */
/* Writes the address of the peer; returns its size, or 0 when there is none (AF_UNSPEC is written then). */
socklen_t	csys_peer_address(int fd, struct sockaddr_storage *address);
/* Writes "address:port" or "unix" of the peer (or own end) into text. */
void		csys_peer_text(int fd, char *text, size_t size);
void		csys_address_text(const void *address, char *text, size_t size);
/* Writes the addresses of name ("*" for all) and port; returns how many it wrote, or -1. */
int			csys_resolve(const char *name, int port, struct sockaddr_storage *addresses,
						 socklen_t *sizes, int count);

/* Fills buffer from the kernel's generator; returns false if the kernel refuses. */
bool		csys_random(void *buffer, size_t size);

/* Reserves zeroed memory whose pages cost nothing until touched; aborts if there is none. */
void	   *csys_reserve(size_t size);

/* A mutex with its condition. */
typedef struct CsysMonitor CsysMonitor;
CsysMonitor *csys_monitor_new(void);
void		csys_monitor_lock(CsysMonitor *monitor);
void		csys_monitor_unlock(CsysMonitor *monitor);
void		csys_monitor_wait(CsysMonitor *monitor);	/* locked before and after */
void		csys_monitor_signal(CsysMonitor *monitor);

/*
 * Returns an eventfd that wakes one thread; csys_end_at_once() knows the first 80 of a process. Aborts if
 * there is none.
 */
int			csys_wake_new(void);

/* Why a process ends at once. */
enum
{
	CSYS_END_CRASH = 1,			/* another process of the server has crashed */
	CSYS_END_IMMEDIATE			/* an immediate shutdown */
};

/*
 * Prepares the end of the process: wakes the owners of all eventfds of csys_wake_new(), and waits until each
 * has said its last words, a fifth of a second at most. For a signal handler.
 */
void		csys_end_at_once(int reason);
/* Returns that reason, or 0 if the process goes on. */
int			csys_ends_at_once(void);
/* The owner of such an eventfd says that it has said its last words, and never runs again. */
void		csys_last_words_said(void);

/*
 * Threads with containment (docs/ARCHITECTURE.md). A new thread blocks all signals but
 * the synchronous ones and the one that parks it. A trap (SIGILL, SIGTRAP, SIGABRT) on
 * such a thread writes a line to standard error, sets csys_trapped() and writes
 * notify_fd, and the thread never runs again; on any other thread it stays a crash.
 */
void		csys_contain(int notify_fd);
/* Returns true if a thread has trapped. */
bool		csys_trapped(void);
/* Starts body(argument); returns its number from 0, or -1. */
int			csys_thread_start(void (*body) (void *), void *argument);
/* Waits until all threads have ended, then parks those that have not within the time. */
void		csys_threads_end(int milliseconds);

#endif
