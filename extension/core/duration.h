/*
 * duration.h
 *		Durations as settings spell them: 250ms, 10s, 15m, 1h, 30d.
 */
#ifndef AMC_DURATION_H
#define AMC_DURATION_H

#include "core/span.h"

#define AMC_DURATION_MS_MAX     (INT64_C(36525) * 86400000) /* a hundred years */
#define AMC_DURATION_TEXT_BYTES 24 /* enough for every formatted duration, terminated */

/*
 * amc_duration_parse: read digits and one unit (ms, s, m, h, d) as milliseconds.
 *
 * No sign, no blanks, no fraction, no bare number, lower case only; the result
 * is 0..AMC_DURATION_MS_MAX.  Anything else: false, *ms unchanged.
 */
extern bool amc_duration_parse(const char *text, size_t len, int64_t *ms);

/*
 * amc_duration_format: shortest exact spelling (the largest unit that divides
 * it); 0 is "0s".  ms must be 0..AMC_DURATION_MS_MAX.  Returns the length; out is
 * terminated.
 */
extern size_t amc_duration_format(int64_t ms, char out[AMC_DURATION_TEXT_BYTES]);

#endif /* AMC_DURATION_H */
