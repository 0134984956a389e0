/*-------------------------------------------------------------------------
 *
 * mailer_metrics.c
 *	  The mailer's figures; see mailer_metrics.h.
 *
 *-------------------------------------------------------------------------
 */
#include "mailer_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

#define PAGE_BYTES_MAX 16384
#define PATH_BYTES     4096

static void
family(AmText *output, const char *name, const char *type, const char *help)
{
	am_text_printf(output, "# HELP authmeter_mailer_%s %s\n# TYPE authmeter_mailer_%s %s\n", name,
				   help, name, type);
}

static void
number(AmText *output, const char *name, const char *labels, int64_t value)
{
	am_text_printf(output, "authmeter_mailer_%s%s %" PRId64 "\n", name, labels, value);
}

static void
single(AmText *output, const char *name, const char *type, const char *help, int64_t value)
{
	family(output, name, type, help);
	number(output, name, "", value);
}

static void
mails(AmText *output, const AmMailerFigures *figures)
{
	family(output, "mails_total", "counter", "Mails by what became of them.");
	number(output, "mails_total", "{outcome=\"sent\"}", (int64_t) figures->sent);
	number(output, "mails_total", "{outcome=\"deferred\"}", (int64_t) figures->deferred);
	number(output, "mails_total", "{outcome=\"rejected\"}", (int64_t) figures->rejected);
	number(output, "mails_total", "{outcome=\"released\"}", (int64_t) figures->released);
}

void
am_mailer_metrics_page(AmText *output, const AmMailerFigures *figures)
{
	AmProcessFigures process = am_process_figures();

	mails(output, figures);
	single(output, "server_troubles_total", "counter",
		   "Times the mail server could not be reached or took no mail at all.",
		   (int64_t) figures->server_troubles);
	single(output, "server_up", "gauge", "0 while sending pauses because of the mail server.",
		   figures->server_down ? 0 : 1);
	single(output, "database_losses_total", "counter", "Database connections that were lost.",
		   (int64_t) figures->database_losses);
	single(output, "database_up", "gauge", "1 while connected to the database.",
		   figures->database_down ? 0 : 1);
	single(output, "unrecorded", "gauge",
		   "1 while a mail was handed over that the database does not know yet.",
		   figures->unrecorded ? 1 : 0);
	single(output, "reloads_total", "counter", "Times the configuration was read anew.",
		   (int64_t) figures->reloads);
	single(output, "start_time_seconds", "gauge", "When the mailer started, since the epoch.",
		   figures->started_s);
	if (process.resident_bytes >= 0)
		single(output, "resident_memory_bytes", "gauge", "Resident memory of the mailer.",
			   process.resident_bytes);
}

static bool
file_write(const char *path, const AmText *page)
{
	char making[PATH_BYTES];
	int length = snprintf(making, sizeof(making), "%s.new", path);
	FILE *file;
	bool written;

	if (length < 0 || (size_t) length >= sizeof(making))
		return false;
	file = fopen(making, "we");
	if (file == NULL)
		return false;
	written = fputs(am_text_string(page), file) >= 0;
	written = fclose(file) == 0 && written;
	if (written && rename(making, path) == 0)
		return true;
	(void) unlink(making);
	return false;
}

bool
am_mailer_metrics_write(AmMailerFigures *figures, const char *path, int64_t now_ms)
{
	AmText page;
	bool written;

	if (path[0] == '\0' || (now_ms != 0 && figures->written_ms != 0 &&
							now_ms - figures->written_ms < AM_METRICS_INTERVAL_MS))
		return true;
	figures->written_ms = now_ms;
	am_text_init(&page, PAGE_BYTES_MAX);
	am_mailer_metrics_page(&page, figures);
	written = !page.failed && file_write(path, &page);
	am_text_free(&page);
	return written;
}
