/*
 * multipart.h
 *		multipart/form-data (RFC 7578, RFC 2046 section 5.1.1) that arrives in pieces.
 *
 * The reader holds one header line and the present part's names, never data: its
 * size is fixed, whatever the body is.  What it finds goes to a sink:
 *
 *	 begin(part), data(bytes) any number of times, end()		for each part
 *
 * A body is well-formed only when its close delimiter has come; a sink must not
 * act on a part before amc_multipart_end said so.
 */
#ifndef AMC_MULTIPART_H
#define AMC_MULTIPART_H

#include "core/span.h"

#define AMC_MULTIPART_PARTS_MAX          16
#define AMC_MULTIPART_BOUNDARY_BYTES_MAX 70   /* RFC 2046 section 5.1.1 */
#define AMC_MULTIPART_LINE_BYTES_MAX     2048 /* one header line */
#define AMC_MULTIPART_HEADER_BYTES_MAX   8192 /* header lines of all parts */
#define AMC_MULTIPART_NAME_BYTES_MAX     255
#define AMC_MULTIPART_FILENAME_BYTES_MAX 1024
#define AMC_MULTIPART_TYPE_BYTES_MAX     127

/* A decoded text of at most its array's bytes. */
typedef struct amc_multipart_part
{
	amc_span name;     /* may be no UTF-8; holds no NUL */
	amc_span filename; /* the same; .ptr NULL = the part has none */
	amc_span type;     /* lower case, without parameters; text/plain if none was given */
} amc_multipart_part;

typedef struct amc_multipart_sink
{
	void *state;
	void (*begin)(void *state, const amc_multipart_part *part);
	void (*data)(void *state, const char *bytes, size_t len);
	void (*end)(void *state);
} amc_multipart_sink;

typedef enum amc_multipart_phase
{
	AMC_MULTIPART_PREAMBLE,
	AMC_MULTIPART_DELIMITED, /* behind the boundary */
	AMC_MULTIPART_PADDING,   /* blanks behind the boundary */
	AMC_MULTIPART_LINE_FEED, /* behind the CR of a delimiter line */
	AMC_MULTIPART_HEADER,
	AMC_MULTIPART_HEADER_FEED, /* behind the CR of a header line */
	AMC_MULTIPART_DATA,
	AMC_MULTIPART_CLOSING, /* behind the first dash of a close delimiter */
	AMC_MULTIPART_CLOSED,  /* complete: blanks may follow */
	AMC_MULTIPART_CLOSED_FEED,
	AMC_MULTIPART_EPILOGUE, /* complete: anything may follow */
	AMC_MULTIPART_MALFORMED
} amc_multipart_phase;

typedef struct amc_multipart
{
	amc_multipart_sink sink;
	amc_multipart_phase phase;
	int part_count;
	size_t header_bytes;

	char delimiter[4 + AMC_MULTIPART_BOUNDARY_BYTES_MAX]; /* CR LF "--" boundary */
	size_t delimiter_len;
	size_t matched;  /* bytes of it seen */
	size_t borrowed; /* of these: belong to what is before the data */

	char line[AMC_MULTIPART_LINE_BYTES_MAX];
	size_t line_len;
	bool has_disposition;
	bool has_type;
	bool has_filename;
	char name[AMC_MULTIPART_NAME_BYTES_MAX];
	size_t name_len;
	char filename[AMC_MULTIPART_FILENAME_BYTES_MAX];
	size_t filename_len;
	char type[AMC_MULTIPART_TYPE_BYTES_MAX];
	size_t type_len;
} amc_multipart;

/*
 * amc_multipart_boundary: the boundary that a Content-Type header gives, and its
 * length (1..70).
 *
 * Returns 0, with out undefined, for another media type, and without exactly one
 * boundary of the characters that RFC 2046 allows.
 */
extern size_t amc_multipart_boundary(const char *content_type, size_t len,
									 char out[AMC_MULTIPART_BOUNDARY_BYTES_MAX]);

/* amc_multipart_init: before the first piece.  boundary: as amc_multipart_boundary gave it. */
extern void amc_multipart_init(amc_multipart *reader, const char *boundary, size_t boundary_len,
							   const amc_multipart_sink *sink);

/*
 * amc_multipart_add: read the next piece.
 *
 * Returns false from the first byte on that shows the body to be malformed; the
 * sink is not called any more then.
 */
extern bool amc_multipart_add(amc_multipart *reader, const char *bytes, size_t len);

/* amc_multipart_end: the body has ended; was it complete and well-formed? */
extern bool amc_multipart_end(const amc_multipart *reader);

#endif /* AMC_MULTIPART_H */
