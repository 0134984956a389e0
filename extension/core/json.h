/*
 * json.h
 *		One validating JSON parser (RFC 8259) into a flat array of nodes.
 *
 * The nodes stand in document order.  The children of an array follow it; the
 * children of an object alternate key (a string node), value, key, value ...
 * "next" leads over a whole subtree:
 *
 *		for (i = container + 1; i < nodes[container].next; i = nodes[i].next)
 *
 * visits the direct children.  The document text is not copied: nodes hold
 * offsets into it, and it must stay in place as long as the nodes are used.
 *
 * Stricter than RFC 8259 asks, because the text goes on to PostgreSQL and to
 * other parsers that must see the same document: duplicate keys (compared after
 * decoding, at any depth), U+0000 in any spelling, lone surrogates and a byte
 * order mark are refused.  Time is O(n log n) in the bytes, also for hostile
 * keys; memory is the node array alone; there is no recursion.
 */
#ifndef AMC_JSON_H
#define AMC_JSON_H

#include "core/span.h"

typedef enum amc_json_status
{
	AMC_JSON_OK = 0,
	AMC_JSON_SYNTAX,        /* a character that cannot stand there; also a blank document */
	AMC_JSON_TRUNCATED,     /* the text ends inside a value, or before one */
	AMC_JSON_TRAILING,      /* text after the document */
	AMC_JSON_UTF8,          /* a string is not well-formed UTF-8 */
	AMC_JSON_SURROGATE,     /* escaped surrogate without its partner */
	AMC_JSON_NUL,           /* U+0000 in a string, raw or escaped */
	AMC_JSON_CONTROL,       /* raw control character in a string */
	AMC_JSON_ESCAPE,        /* unknown or malformed escape sequence */
	AMC_JSON_NUMBER,        /* malformed number: 01, +1, 1., .5, 1e */
	AMC_JSON_DUPLICATE_KEY, /* one object holds a key twice */
	AMC_JSON_DEPTH,         /* nested deeper than depth_max */
	AMC_JSON_BYTES,         /* longer than bytes_max */
	AMC_JSON_NODES          /* more values and keys than nodes_max */
} amc_json_status;

typedef enum amc_json_type
{
	AMC_JSON_NULL = 0,
	AMC_JSON_FALSE,
	AMC_JSON_TRUE,
	AMC_JSON_NUMBER_VALUE,
	AMC_JSON_STRING,
	AMC_JSON_ARRAY,
	AMC_JSON_OBJECT
} amc_json_type;

/* Bits of amc_json_node.flags */
#define AMC_JSON_FLAG_ESCAPED   0x01 /* string with at least one backslash */
#define AMC_JSON_FLAG_KEY       0x02 /* string that is a key of its parent object */
#define AMC_JSON_FLAG_PLAIN_INT 0x04 /* number of digits only, after an optional minus */
#define AMC_JSON_FLAG_WIDE      0x08 /* number outside AMC_JSON_NUMBER_EXPONENT_MAX */

/*
 * A number is "wide" if its exponent or its number of digits on either side of
 * the decimal point exceeds this.  PostgreSQL's numeric holds 131,072 digits
 * before and 16,383 after the point and raises an error beyond; a few bytes of
 * text may also unfold to that many, which is reason enough to stop earlier.
 */
#define AMC_JSON_NUMBER_EXPONENT_MAX 10000

#define AMC_JSON_BYTES_LIMIT ((size_t) 1 << 30) /* bytes_max may not exceed this: 1 GiB */
#define AMC_JSON_NO_PARENT   UINT32_MAX

typedef struct amc_json_node
{
	uint32_t start;  /* offset of the first byte (of a string: the quote) */
	uint32_t end;    /* offset after the last byte */
	uint32_t next;   /* index of the node after this subtree */
	uint32_t parent; /* index of the container, or AMC_JSON_NO_PARENT */
	uint32_t count;  /* members of an object, elements of an array; else private */
	uint8_t type;    /* amc_json_type */
	uint8_t flags;   /* AMC_JSON_FLAG_... */
	uint16_t reserved;
} amc_json_node;

typedef struct amc_json_limits
{
	size_t bytes_max;   /* of the text; larger than AMC_JSON_BYTES_LIMIT counts as that */
	uint32_t depth_max; /* nested containers; 0 allows scalars only */
	uint32_t nodes_max; /* capacity of the node array; a member counts two */
} amc_json_limits;

typedef struct amc_json
{
	const char *text;
	size_t len;
	const amc_json_node *nodes; /* nodes[0] is the document */
	uint32_t count;             /* nodes used */
	uint32_t wide_count;        /* nodes with AMC_JSON_FLAG_WIDE */
	size_t error_at;            /* after a refusal: offset of the offending byte, roughly */
} amc_json;

/*
 * amc_json_parse: validate a whole document and fill the node array.
 *
 * nodes has limits->nodes_max entries and belongs to the caller.  Any JSON value
 * may be the document; blanks around it are allowed.  On AMC_JSON_OK doc is
 * usable; on any other status only doc->error_at is meaningful.
 */
extern amc_json_status amc_json_parse(const char *text, size_t len, const amc_json_limits *limits,
									  amc_json_node *nodes, amc_json *doc);

/* amc_json_status_text: short lower-case English phrase, a static string. */
extern const char *amc_json_status_text(amc_json_status status);

/* amc_json_root: the node of the document itself. */
static inline const amc_json_node *
amc_json_root(const amc_json *doc)
{
	return &doc->nodes[0];
}

/* amc_json_first: first child (of an object: its first key), or NULL. */
static inline const amc_json_node *
amc_json_first(const amc_json *doc, const amc_json_node *container)
{
	uint32_t index = (uint32_t) (container - doc->nodes) + 1;

	return index < container->next ? &doc->nodes[index] : NULL;
}

/*
 * amc_json_after: the next child of the same container, or NULL at its end.
 * After a key comes its value, after a value the next key.
 */
static inline const amc_json_node *
amc_json_after(const amc_json *doc, const amc_json_node *node)
{
	if (node->parent == AMC_JSON_NO_PARENT || node->next >= doc->nodes[node->parent].next)
		return NULL;
	return &doc->nodes[node->next];
}

/*
 * amc_json_member: value of a key (given decoded), or NULL if object has no such
 * member or is no object.  A linear search: use it on objects with few members.
 */
extern const amc_json_node *amc_json_member(const amc_json *doc, const amc_json_node *object,
											const char *key, size_t key_len);

/* amc_json_text: the text of a node as it stands in the document. */
static inline amc_span
amc_json_text(const amc_json *doc, const amc_json_node *node)
{
	return (amc_span){doc->text + node->start, node->end - node->start};
}

/*
 * amc_json_string_raw: a string node's bytes between the quotes, undecoded.
 * They are the decoded value as well if AMC_JSON_FLAG_ESCAPED is not set; else
 * their length is an upper bound of the decoded length.
 */
static inline amc_span
amc_json_string_raw(const amc_json *doc, const amc_json_node *string)
{
	return (amc_span){doc->text + string->start + 1, string->end - string->start - 2};
}

/* amc_json_string_equals: is this a string node whose decoded value is these bytes? */
extern bool amc_json_string_equals(const amc_json *doc, const amc_json_node *node, const char *ptr,
								   size_t len);

/*
 * amc_json_string_decode: write the decoded value of a string node.
 *
 * Returns false if node is no string or out_size is too small (then out holds
 * an unspecified prefix).  No terminator is written; the value never holds NUL.
 */
extern bool amc_json_string_decode(const amc_json *doc, const amc_json_node *node, char *out,
								   size_t out_size, size_t *out_len);

/*
 * amc_json_string: decoded value of a string node without copying where that is
 * possible: value points into the document, or into buffer if there were escapes.
 * Returns false as amc_json_string_decode does.
 */
extern bool amc_json_string(const amc_json *doc, const amc_json_node *node, char *buffer,
							size_t buffer_size, amc_span *value);

typedef enum amc_json_integer
{
	AMC_JSON_INTEGER_OK = 0,
	AMC_JSON_INTEGER_TYPE,     /* not a number */
	AMC_JSON_INTEGER_FRACTION, /* has digits other than 0 behind the decimal point */
	AMC_JSON_INTEGER_RANGE     /* an integer that int64 cannot hold */
} amc_json_integer;

/*
 * amc_json_int64: exact value of a number node.  1, 1.0, 1e3, 1200e-2 and -0 are
 * integers; no floating point is involved.  A number with a fraction answers
 * AMC_JSON_INTEGER_FRACTION whatever its size.  *value is set on OK only.
 */
extern amc_json_integer amc_json_int64(const amc_json *doc, const amc_json_node *node,
									   int64_t *value);

/*
 * amc_json_copy: write the text of a node and everything below it, unchanged but
 * for wide numbers, which become the nearest that is not wide: 1e10000, -1e10000,
 * 0, or at most 40 digits with an exponent.  The copy is never longer than the
 * original, so out_size = length of the original always suffices; returns false
 * if out_size is smaller than what is to be written.  No terminator.
 */
extern bool amc_json_copy(const amc_json *doc, const amc_json_node *node, char *out,
						  size_t out_size, size_t *out_len);

/* Capacity that is always enough for amc_json_escape. */
#define AMC_JSON_ESCAPED_MAX(n) ((n) *6)

/*
 * amc_json_escape: write text as the inside of a JSON string, without the quotes.
 *
 * Escapes the quote, the backslash and control characters (short forms where
 * they exist, \u00XX else); everything else stays.  Each byte that is not part
 * of well-formed UTF-8 becomes U+FFFD, so the result is valid JSON for any input
 * (NUL becomes \u0000, which amc_json_parse refuses).  Returns false if out_size
 * is too small; out then holds an unspecified prefix.  No terminator.
 */
extern bool amc_json_escape(const char *text, size_t len, char *out, size_t out_size,
							size_t *out_len);

#endif /* AMC_JSON_H */
