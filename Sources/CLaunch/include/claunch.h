/*
 * claunch.h: the few C things of pgpool-launch that Swift can't say by itself: system
 * calls its C library module leaves out, and the table of settings by index.
 */
#ifndef CARPOOL_LAUNCH_H
#define CARPOOL_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csettings.h"

/* Row index of the table of settings, from 0 to carpool_setting_count - 1. */
const CarpoolSettingInfo *claunch_setting(int index);

/* The process's environment, NULL-terminated; never changed by us. */
char	  **claunch_environment(void);

/*
 * Blocks the signals the launcher answers to, ignores SIGPIPE, and returns a
 * descriptor that reads the blocked ones, or -1. Call before threads are started.
 */
int			claunch_signal_fd(void);

/* The next signal waiting in the descriptor, or 0. */
int			claunch_next_signal(int fd);

/* A non-blocking eventfd, or -1; and taking what has been written to it. */
int			claunch_event_fd(void);
void		claunch_event_clear(int fd);

/* Blocks all signals in the calling thread. */
void		claunch_block_signals(void);

/* Fills buffer from the kernel's generator; false when it can't. */
bool		claunch_random(void *buffer, size_t size);

/* Makes `to` mean what `from` means, in one step for other threads; closes `from`. */
bool		claunch_replace_fd(int from, int to);

/* Seconds of a clock that runs on through exec. */
int64_t		claunch_uptime(void);

/* Closes every descriptor but 0, 1, 2 on success and runs this program again. */
void		claunch_run_again(char *const *arguments);

#endif
