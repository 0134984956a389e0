/*-------------------------------------------------------------------------
 *
 * mailer_folder.c
 *	  A mail into a folder, for development.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailer_send.h"

static bool
write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		length -= (size_t) written;
	}
	return true;
}

/* Under another name first: whoever looks sees whole mails only. */
static bool
file_write(const char *path, const AmEnvelope *envelope)
{
	char making[AM_SEND_TEXT_BYTES + 8];
	int fd;
	bool written;

	(void) snprintf(making, sizeof(making), "%s.new", path);
	fd = open(making, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	written = write_all(fd, envelope->message, envelope->message_bytes) && fsync(fd) == 0;
	written = close(fd) == 0 && written;
	if (written && rename(making, path) == 0)
		return true;
	(void) unlink(making);
	return false;
}

void
am_folder_send(const char *folder, const AmEnvelope *envelope, AmSendResult *result)
{
	char path[AM_SEND_TEXT_BYTES];
	int length = snprintf(path, sizeof(path), "%s/%s.eml", folder, envelope->id);

	memset(result, 0, sizeof(*result));
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		length = -1;
	if (length > 0 && (size_t) length < sizeof(path) && file_write(path, envelope))
	{
		result->verdict = AM_SEND_DELIVERED;
		(void) snprintf(result->reason, sizeof(result->reason), "%s", path);
		return;
	}
	result->verdict = AM_SEND_TROUBLE;
	(void) snprintf(result->error, sizeof(result->error), "could not write to mail_folder: %s",
					strerror(errno));
	(void) snprintf(result->reason, sizeof(result->reason), "%s", result->error);
}
