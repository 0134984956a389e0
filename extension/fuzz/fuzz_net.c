/*
 * fuzz_net.c
 *		Addresses survive being written and read; a list holds the addresses its
 *		entries begin with; the client is the peer, or an address that is not trusted.
 *		The input is a list of trusted networks, a NUL, and an X-Forwarded-For header.
 */
#include "core/net.h"
#include "fuzz.h"

#define LIST_MAX 16

static void
check_address(const amc_net_address *address)
{
	char text[AMC_NET_TEXT_BYTES];
	char key[AMC_NET_KEY_BYTES];
	amc_net_address again;
	size_t len = amc_net_format(address, text);

	REQUIRE(len > 0 && len < sizeof(text) && text[len] == '\0');
	REQUIRE(amc_net_parse(text, len, &again) && amc_net_equal(address, &again));
	len = amc_net_key(address, key);
	REQUIRE(len > 0 && len < sizeof(key) && key[len] == '\0');
}

static void
check_client(const char *peer_text, const char *header, size_t header_len,
			 const amc_net_prefix *list, size_t count)
{
	amc_net_address peer;
	amc_net_address client;

	REQUIRE(amc_net_parse(peer_text, strlen(peer_text), &peer));
	if (amc_net_client(&peer, header, header_len, list, count, &client) == AMC_NET_FORWARDED)
	{
		REQUIRE(amc_net_list_has(list, count, &peer));
		REQUIRE(!amc_net_list_has(list, count, &client));
	}
	else
		REQUIRE(amc_net_equal(&peer, &client));
	check_address(&client);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	const char *separator = size == 0 ? NULL : memchr(text, '\0', size);
	size_t list_len = separator == NULL ? size : (size_t) (separator - text);
	const char *header = separator == NULL ? text : separator + 1;
	size_t header_len = separator == NULL ? size : size - list_len - 1;
	amc_net_prefix list[LIST_MAX];
	amc_net_address address;
	size_t count = 0;
	size_t error_at;
	size_t i;

	if (amc_net_parse(text, list_len, &address))
		check_address(&address);
	if (!amc_net_list_parse(text, list_len, list, LIST_MAX, &count, &error_at))
	{
		REQUIRE(error_at < list_len);
		REQUIRE(amc_net_list_parse(AMC_LITERAL("10.0.0.0/8"), list, LIST_MAX, &count, NULL));
	}
	for (i = 0; i < count; i++)
	{
		REQUIRE(list[i].bits <= (list[i].address.family == 4 ? 32 : 128));
		REQUIRE(amc_net_list_has(list, count, &list[i].address));
		check_address(&list[i].address);
	}
	check_client("10.0.0.1", header, header_len, list, count);
	check_client("2001:db8::1", header, header_len, list, count);
	return 0;
}
