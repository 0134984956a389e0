/*-------------------------------------------------------------------------
 *
 * multipart.h
 *	  The members "multipart" and "parts" of an argument, from a streamed body.
 *
 *	 "multipart":"ok", "parts":[{"name":"file", "filename":"cv.txt",
 *	   "type":"text/plain", "size":120,
 *	   "text":{"words":20, "lines":3, "characters":118}}, ...]
 *
 * Nothing of a file is kept: each piece is counted as it comes.  "filename" is
 * left out if the part has none; it is what the client wrote, without its quotes
 * and escapes, not cleaned.  "text" is null for bytes that are no UTF-8; words,
 * lines and characters are those of core/text_stats.h (lines = newlines + 1).
 *
 * "multipart" is "malformed", and there are no "parts", for a body that
 * core/multipart.h does not accept; it is "absent" where the Content-Type is not
 * multipart/form-data with a usable boundary.  Which parts a request must have,
 * and how large they may be, is the function's business.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_MULTIPART_H
#define AM_SHIM_MULTIPART_H

#include "buffer.h"
#include "core/multipart.h"
#include "core/text_stats.h"

typedef struct AmMultipart
{
	amc_multipart reader;
	amc_text_stats stats; /* of the present part */
	uint64_t part_bytes;
	int part_count;
	AmBuffer *argument; /* the parts are written to its end as they come */
	size_t member_start;
} AmMultipart;

/*
 * Starts reading.  The caller's structure and the argument must stay where they
 * are until am_multipart_end.  False if the Content-Type has no usable boundary:
 * the argument says "absent", and the structure is not to be used.
 */
extern bool am_multipart_begin(AmMultipart *multipart, AmBuffer *argument, amc_span content_type);

/* The next piece of the body. */
extern void am_multipart_add(AmMultipart *multipart, const char *bytes, size_t length);

/* The body has ended: completes the members. */
extern void am_multipart_end(AmMultipart *multipart);

#endif /* AM_SHIM_MULTIPART_H */
