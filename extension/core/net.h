/*
 * net.h
 *		IP addresses, lists of networks, and the client address behind proxies.
 *
 * An IPv4-mapped IPv6 address (::ffff:192.0.2.1) is the IPv4 address everywhere:
 * one client has one spelling, and no list can be passed by another notation.
 */
#ifndef AMC_NET_H
#define AMC_NET_H

#include "core/span.h"

#define AMC_NET_TEXT_BYTES          46   /* longest address text, terminated */
#define AMC_NET_KEY_BYTES           50   /* longest rate-limit key, terminated */
#define AMC_NET_FORWARDED_BYTES_MAX 4096 /* X-Forwarded-For: longer counts as malformed */
#define AMC_NET_FORWARDED_HOPS_MAX  32   /* trusted hops walked before giving up */

typedef struct amc_net_address
{
	uint8_t family;    /* 4 or 6 */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four, rest zero */
} amc_net_address;

typedef struct amc_net_prefix
{
	amc_net_address address; /* host bits are zero */
	uint8_t bits;            /* 0..32 or 0..128 */
} amc_net_prefix;

/*
 * amc_net_parse: read an address.
 *
 * IPv4: four decimal numbers without leading zeros.  IPv6: RFC 4291 section 2.2,
 * with "::" and an embedded IPv4 tail; no zone, no brackets, no port.
 */
extern bool amc_net_parse(const char *text, size_t len, amc_net_address *address);

/*
 * amc_net_from_bytes: an address from sockaddr bytes in network order; len is 4
 * (sin_addr) or 16 (sin6_addr).  Returns false for another len.
 */
extern bool amc_net_from_bytes(const void *bytes, size_t len, amc_net_address *address);

/* amc_net_format: canonical text (RFC 5952 section 4); returns the length, out is terminated. */
extern size_t amc_net_format(const amc_net_address *address, char out[AMC_NET_TEXT_BYTES]);

/* amc_net_equal: the same address? */
extern bool amc_net_equal(const amc_net_address *a, const amc_net_address *b);

/*
 * amc_net_prefix_parse: read one network, 'address/bits', or an address alone.
 *
 * Host bits must be zero.  A prefix inside ::ffff:0:0/96 becomes the IPv4 one; a
 * shorter IPv6 prefix (::/0) holds no IPv4 address.
 */
extern bool amc_net_prefix_parse(const char *text, size_t len, amc_net_prefix *prefix);

/*
 * amc_net_list_parse: read networks separated by commas and blanks.
 *
 * At most count_max are stored in list; an empty text is the empty list, empty
 * entries are skipped.  Returns false if an entry is malformed or there are too
 * many; *error_at (may be NULL) is then its offset.
 */
extern bool amc_net_list_parse(const char *text, size_t len, amc_net_prefix *list, size_t count_max,
							   size_t *count, size_t *error_at);

/* amc_net_list_has: is the address in one of these networks? */
extern bool amc_net_list_has(const amc_net_prefix *list, size_t count,
							 const amc_net_address *address);

/*
 * amc_net_key: the text under which an address is counted: an IPv4 address
 * itself, an IPv6 address by its network '2001:db8:1:2::/64', as one client
 * commands a whole /64.  Returns the length; out is terminated.
 */
extern size_t amc_net_key(const amc_net_address *address, char out[AMC_NET_KEY_BYTES]);

typedef enum amc_net_source
{
	AMC_NET_PEER = 0,    /* peer not trusted, or no header: the peer */
	AMC_NET_FORWARDED,   /* right-most address that is not trusted */
	AMC_NET_ALL_TRUSTED, /* header names trusted addresses only: the peer */
	AMC_NET_MALFORMED    /* an entry that had to be read cannot be: the peer */
} amc_net_source;

/*
 * amc_net_client: the client address behind trusted proxies.
 *
 * header is X-Forwarded-For, several header lines joined by ',' in their order;
 * NULL or empty = absent.  If peer is in trusted, the entries are read from
 * right to left: trusted ones are skipped, the first that is not is the client.
 * What stands left of it was written by the client and is never looked at.  An
 * entry may be an address, '[IPv6]', either with ':port'; one that is not
 * ("unknown", empty, too many hops) ends the walk, and the client is the peer:
 * such requests share the proxy's own, strict bucket.  *client is always set.
 */
extern amc_net_source amc_net_client(const amc_net_address *peer, const char *header,
									 size_t header_len, const amc_net_prefix *trusted,
									 size_t trusted_count, amc_net_address *client);

#endif /* AMC_NET_H */
