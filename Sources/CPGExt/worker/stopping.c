/*
 * stopping.c: the smart shutdown. Background workers are not told of it, and it waits
 * for all clients; only the status line of postmaster.pid gives it away.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "utils/pidfile.h"

#include "private/host.h"

/* Whether postmaster.pid says "stopping"; the worker's working directory is the data directory. */
bool
carpool_server_is_stopping(void)
{
	char		text[4096];
	char	   *line = text;
	ssize_t		size;
	int			fd = open("postmaster.pid", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[Max(size, 0)] = '\0';
	for (int i = 1; line && i < LOCK_FILE_LINE_PM_STATUS; i++)
	{
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return line && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}
