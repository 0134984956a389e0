/*-------------------------------------------------------------------------
 *
 * mailer_metrics.h
 *	  The mailer's figures, as a file in Prometheus's text format.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_MAILER_METRICS_H
#define AM_MAILER_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

#define AM_METRICS_INTERVAL_MS 15000

typedef struct AmMailerFigures
{
	uint64_t sent;
	uint64_t deferred;
	uint64_t rejected;
	uint64_t released;
	uint64_t server_troubles;
	uint64_t database_losses;
	uint64_t reloads;
	bool server_down;
	bool database_down;
	bool unrecorded; /* a mail was handed over that the database does not know yet */
	int64_t started_s;
	int64_t written_ms; /* monotonic; 0 = never */
} AmMailerFigures;

/* Appends the page. */
extern void am_mailer_metrics_page(AmText *output, const AmMailerFigures *figures);

/*
 * Writes the page to path, whole or not at all, unless that was done less than
 * AM_METRICS_INTERVAL_MS before now_ms (0 = do it anyway).  False = could not.
 */
extern bool am_mailer_metrics_write(AmMailerFigures *figures, const char *path, int64_t now_ms);

#endif /* AM_MAILER_METRICS_H */
