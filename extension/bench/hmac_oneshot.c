/*-------------------------------------------------------------------------
 *
 * hmac_oneshot.c
 *	  The yardstick of jwt_verify: OpenSSL's one-shot HMAC() over the same bytes.
 *
 *	  hmac_oneshot KEY_FILE TOKEN_FILE CALLS
 *
 * KEY_FILE holds the HS256 secret, every byte of it; TOKEN_FILE one compact JWS
 * a line.  Prints the nanoseconds of one call, after it has proven for every
 * token that HMAC-SHA256 over its signing input is the signature it carries
 * (RFC 7515, section 5.2): bytes that were not checked are not compared.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define TOKENS_MAX      4096
#define TOKEN_BYTES_MAX 4096
#define KEY_BYTES_MAX   4096
#define CALLS_MAX       100000000L
#define MAC_BYTES       32
#define MAC_TEXT_BYTES  43 /* base64url without padding */

typedef struct Token
{
	unsigned char *input; /* header.payload, of length input_bytes; the signature follows its dot */
	size_t input_bytes;
} Token;

static unsigned char key[KEY_BYTES_MAX];
static size_t key_bytes;
static Token token[TOKENS_MAX];
static size_t tokens;

static void
fail(const char *what, const char *which)
{
	fprintf(stderr, "hmac_oneshot: %s%s\n", what, which);
	exit(EXIT_FAILURE);
}

static FILE *
open_file(const char *path)
{
	FILE *file = fopen(path, "r");

	if (file == NULL)
		fail("could not open ", path);
	return file;
}

static void
read_key(const char *path)
{
	FILE *file = open_file(path);

	key_bytes = fread(key, 1, sizeof(key), file);
	if (ferror(file) || key_bytes == 0 || key_bytes == sizeof(key))
		fail("empty, unreadable or too long: ", path);
	(void) fclose(file);
}

static void
read_tokens(const char *path)
{
	static char line[TOKEN_BYTES_MAX];
	FILE *file = open_file(path);

	while (fgets(line, sizeof(line), file) != NULL)
	{
		char *dot = strrchr(line, '.');
		char *copy = strdup(line);

		if (tokens == TOKENS_MAX || dot == NULL || copy == NULL)
			fail("too many tokens, or no token: ", path);
		copy[strcspn(copy, "\n")] = '\0';
		token[tokens].input = (unsigned char *) copy;
		token[tokens].input_bytes = (size_t) (dot - line);
		tokens++;
	}
	if (ferror(file) || tokens == 0)
		fail("could not read ", path);
	(void) fclose(file);
}

static void
mac_of(const Token *of, unsigned char mac[MAC_BYTES])
{
	unsigned int bytes = 0;

	if (HMAC(EVP_sha256(), key, (int) key_bytes, of->input, of->input_bytes, mac, &bytes) == NULL ||
		bytes != MAC_BYTES)
		fail("HMAC() failed", "");
}

static void
check_signature(const Token *of)
{
	unsigned char mac[MAC_BYTES];
	char text[MAC_TEXT_BYTES + 3];

	mac_of(of, mac);
	(void) EVP_EncodeBlock((unsigned char *) text, mac, MAC_BYTES);
	text[MAC_TEXT_BYTES] = '\0';
	for (char *c = text; *c != '\0'; c++)
	{
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
	}
	if (strcmp(text, (const char *) of->input + of->input_bytes + 1) != 0)
		fail("a token of the file is not signed with the key", "");
}

static double
now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		fail("no monotonic clock", "");
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

int
main(int argc, char **argv)
{
	unsigned char mac[MAC_BYTES];
	double begin;
	long calls;

	if (argc != 4)
		fail("usage: hmac_oneshot KEY_FILE TOKEN_FILE CALLS", "");
	calls = strtol(argv[3], NULL, 10);
	if (calls < 1 || calls > CALLS_MAX)
		fail("no usable number of calls: ", argv[3]);
	read_key(argv[1]);
	read_tokens(argv[2]);
	for (size_t i = 0; i < tokens; i++)
		check_signature(&token[i]);

	begin = now_ns();
	for (long call = 0; call < calls; call++)
		mac_of(&token[(size_t) call % tokens], mac);
	printf("%.1f\n", (now_ns() - begin) / (double) calls);

	OPENSSL_cleanse(key, sizeof(key));
	return EXIT_SUCCESS;
}
