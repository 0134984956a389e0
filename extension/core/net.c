/*
 * net.c
 *		IP addresses, lists of networks, and the client address behind proxies.
 *
 * Reading and writing the text of an address is left to inet_pton and inet_ntop,
 * which know nothing of locales and refuse what we would refuse (leading zeros,
 * short forms such as 127.1).
 */
#include "core/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool
amc_net_from_bytes(const void *bytes, size_t len, amc_net_address *address)
{
	const uint8_t *from = bytes;

	if (len != 4 && len != 16)
		return false;
	if (len == 16 && memcmp(from, mapped_prefix, sizeof(mapped_prefix)) == 0)
	{
		from += sizeof(mapped_prefix);
		len = 4;
	}
	memset(address, 0, sizeof(*address));
	address->family = len == 4 ? 4 : 6;
	memcpy(address->bytes, from, len);
	return true;
}

/* As amc_net_parse; tells as well whether the text had the form of IPv6. */
static bool
parse_address(const char *text, size_t len, amc_net_address *address, bool *written_as_ipv6)
{
	char terminated[AMC_NET_TEXT_BYTES];
	uint8_t bytes[16];

	if (len == 0 || len >= sizeof(terminated) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(terminated, text, len);
	terminated[len] = '\0';
	*written_as_ipv6 = memchr(text, ':', len) != NULL;
	if (inet_pton(*written_as_ipv6 ? AF_INET6 : AF_INET, terminated, bytes) != 1)
		return false;
	return amc_net_from_bytes(bytes, *written_as_ipv6 ? 16 : 4, address);
}

bool
amc_net_parse(const char *text, size_t len, amc_net_address *address)
{
	bool written_as_ipv6;

	return parse_address(text, len, address, &written_as_ipv6);
}

size_t
amc_net_format(const amc_net_address *address, char out[AMC_NET_TEXT_BYTES])
{
	int family = address->family == 4 ? AF_INET : AF_INET6;

	if (inet_ntop(family, address->bytes, out, AMC_NET_TEXT_BYTES) == NULL)
		out[0] = '\0';
	return strlen(out);
}

bool
amc_net_equal(const amc_net_address *a, const amc_net_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The first bits of an address, the rest zero. */
static amc_net_address
masked(const amc_net_address *address, unsigned bits)
{
	amc_net_address result = *address;
	unsigned i;

	for (i = 0; i < sizeof(result.bytes); i++)
	{
		unsigned kept = bits > 8 * i ? bits - 8 * i : 0;

		if (kept < 8)
			result.bytes[i] &= (uint8_t) (0xff00 >> kept);
	}
	return result;
}

/* One to three digits without leading zeros, up to max. */
static bool
parse_bits(const char *text, size_t len, unsigned max, unsigned *bits)
{
	unsigned value = 0;
	size_t i;

	if (len == 0 || len > 3 || (len > 1 && text[0] == '0'))
		return false;
	for (i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned) (text[i] - '0');
	}
	*bits = value;
	return value <= max;
}

bool
amc_net_prefix_parse(const char *text, size_t len, amc_net_prefix *prefix)
{
	const char *slash = len == 0 ? NULL : memchr(text, '/', len);
	size_t address_len = slash == NULL ? len : (size_t) (slash - text);
	amc_net_address address;
	amc_net_address network;
	bool written_as_ipv6;
	unsigned bits;

	if (!parse_address(text, address_len, &address, &written_as_ipv6))
		return false;
	bits = written_as_ipv6 ? 128 : 32;
	if (slash != NULL && !parse_bits(slash + 1, len - address_len - 1, bits, &bits))
		return false;
	if (written_as_ipv6 && address.family == 4)
	{
		/* Mapped: the network must lie within ::ffff:0:0/96 to be one of IPv4. */
		if (bits < MAPPED_BITS)
			return false;
		bits -= MAPPED_BITS;
	}
	network = masked(&address, bits);
	if (!amc_net_equal(&network, &address))
		return false;
	prefix->address = network;
	prefix->bits = (uint8_t) bits;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool
amc_net_list_parse(const char *text, size_t len, amc_net_prefix *list, size_t count_max,
				   size_t *count, size_t *error_at)
{
	size_t found = 0;
	size_t at = 0;

	while (at < len)
	{
		size_t start = at;

		while (at < len && text[at] != ',' && !is_blank(text[at]))
			at++;
		if (at == start)
		{
			at++;
			continue;
		}
		if (found == count_max || !amc_net_prefix_parse(text + start, at - start, &list[found]))
		{
			if (error_at != NULL)
				*error_at = start;
			return false;
		}
		found++;
	}
	*count = found;
	return true;
}

bool
amc_net_list_has(const amc_net_prefix *list, size_t count, const amc_net_address *address)
{
	size_t i;

	for (i = 0; i < count; i++)
	{
		amc_net_address network;

		if (list[i].address.family != address->family)
			continue;
		network = masked(address, list[i].bits);
		if (amc_net_equal(&network, &list[i].address))
			return true;
	}
	return false;
}

size_t
amc_net_key(const amc_net_address *address, char out[AMC_NET_KEY_BYTES])
{
	char text[AMC_NET_TEXT_BYTES];
	amc_net_address network;

	if (address->family == 4)
		return amc_net_format(address, out);
	network = masked(address, 64);
	amc_net_format(&network, text);
	return (size_t) snprintf(out, AMC_NET_KEY_BYTES, "%s/64", text);
}

/* ':port' with one to five digits, or nothing. */
static bool
is_port_or_nothing(const char *text, size_t len)
{
	size_t i;

	if (len == 0)
		return true;
	if (text[0] != ':' || len < 2 || len > 6)
		return false;
	for (i = 1; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

/* One entry of X-Forwarded-For: address, [IPv6], address:port, [IPv6]:port. */
static bool
parse_entry(const char *text, size_t len, amc_net_address *address)
{
	const char *close;
	const char *colon;
	bool written_as_ipv6;

	if (len == 0)
		return false;
	if (text[0] == '[')
	{
		close = memchr(text, ']', len);
		return close != NULL &&
			   parse_address(text + 1, (size_t) (close - text) - 1, address, &written_as_ipv6) &&
			   written_as_ipv6 && is_port_or_nothing(close + 1, len - (size_t) (close + 1 - text));
	}
	colon = memchr(text, ':', len);
	if (colon != NULL && memchr(text, '.', (size_t) (colon - text)) != NULL)
		return is_port_or_nothing(colon, len - (size_t) (colon - text)) &&
			   amc_net_parse(text, (size_t) (colon - text), address);
	return amc_net_parse(text, len, address);
}

/* The last entry of the header, blanks around it removed; *len becomes what is left of it. */
static amc_span
take_last_entry(const char *header, size_t *len, bool *more)
{
	size_t end = *len;
	size_t start = end;

	while (start > 0 && header[start - 1] != ',')
		start--;
	*more = start > 0;
	*len = start > 0 ? start - 1 : 0;
	while (start < end && is_blank(header[start]))
		start++;
	while (end > start && is_blank(header[end - 1]))
		end--;
	return (amc_span){header + start, end - start};
}

amc_net_source
amc_net_client(const amc_net_address *peer, const char *header, size_t header_len,
			   const amc_net_prefix *trusted, size_t trusted_count, amc_net_address *client)
{
	size_t left = header_len;
	bool more = true;
	int hops;

	*client = *peer;
	if (header_len == 0 || !amc_net_list_has(trusted, trusted_count, peer))
		return AMC_NET_PEER;
	if (header_len > AMC_NET_FORWARDED_BYTES_MAX)
		return AMC_NET_MALFORMED;
	for (hops = 0; more && hops < AMC_NET_FORWARDED_HOPS_MAX; hops++)
	{
		amc_span entry = take_last_entry(header, &left, &more);
		amc_net_address address;

		if (!parse_entry(entry.ptr, entry.len, &address))
			return AMC_NET_MALFORMED;
		if (!amc_net_list_has(trusted, trusted_count, &address))
		{
			*client = address;
			return AMC_NET_FORWARDED;
		}
	}
	return more ? AMC_NET_MALFORMED : AMC_NET_ALL_TRUSTED;
}
