/*
 * claunch.h: the few C functions of pgpool-launch that Swift can't write itself: system
 * calls that its C library module leaves out, and the table of settings by index.
 */
#ifndef CARPOOL_LAUNCH_H
#define CARPOOL_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csettings.h"

/* Returns a row of the table of settings; index: from 0 to carpool_setting_count - 1. */
const CarpoolSettingInfo *claunch_setting(int index);

/* Returns the process's environment, which NULL ends; the launcher never changes it. */
char	  **claunch_environment(void);

/*
 * Blocks the signals the launcher answers to, ignores SIGPIPE, and returns a
 * descriptor that reads the blocked ones, or -1. Call before threads are started.
 */
int			claunch_signal_fd(void);

/* Returns the next signal that waits in the descriptor, or 0 if none does. */
int			claunch_next_signal(int fd);

/* Returns a non-blocking eventfd, or -1; clear takes what was written to it. */
int			claunch_event_fd(void);
void		claunch_event_clear(int fd);

/* Blocks all signals in the calling thread. */
void		claunch_block_signals(void);

/* Fills buffer from the kernel's generator; returns false if the kernel refuses. */
bool		claunch_random(void *buffer, size_t size);

/* Makes `to` mean what `from` means, in one step for other threads; closes `from`. */
bool		claunch_replace_fd(int from, int to);

/* Returns the seconds of a clock that runs on through exec. */
int64_t		claunch_uptime(void);

/* Runs this program again, with descriptors 0, 1 and 2 only; returns if exec fails. */
void		claunch_run_again(char *const *arguments);

#endif
