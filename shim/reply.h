/*-------------------------------------------------------------------------
 *
 * reply.h
 *	  Headers that an endpoint function returns, checked before they are sent.
 *
 * The functions are trusted for status, header names and body, but checked: a
 * header that could split a response or change its framing is a fault, not a
 * reply.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_REPLY_H
#define AM_SHIM_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define AM_REPLY_HEADERS_MAX 16 /* headers one function may set */

typedef struct AmReplyHeader
{
	const char *name;
	const char *value;
} AmReplyHeader;

typedef struct AmReplyHeaders
{
	void *owner; /* the parsed object the strings belong to */
	AmReplyHeader header[AM_REPLY_HEADERS_MAX];
	int count;
} AmReplyHeaders;

/*
 * Reads {"name":"value"|["value",...],...}.  False, holding nothing, if it is not
 * such an object, a name is no token, a value holds a control character, the name
 * belongs to the shim (framing, Date, CORS ...), Set-Cookie comes although cookies is
 * false, or there are more than AM_REPLY_HEADERS_MAX.
 */
extern bool am_reply_headers_read(const char *text, size_t length, bool cookies,
								  AmReplyHeaders *headers);

extern void am_reply_headers_free(AmReplyHeaders *headers);

/* Index of the header of that name (any case), -1 if there is none. */
extern int am_reply_headers_find(const AmReplyHeaders *headers, const char *name);

#endif /* AM_SHIM_REPLY_H */
