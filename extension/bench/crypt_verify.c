/*-------------------------------------------------------------------------
 *
 * crypt_verify.c
 *	  The yardstick of password_verify: libxcrypt's crypt_r() with the same
 *	  password and the same bcrypt hash.
 *
 *	  crypt_verify CALLS <FILE
 *
 * FILE holds the password in its first line and the hash in its second.  Prints
 * the nanoseconds of one verification; a password that does not match fails.
 *
 *-------------------------------------------------------------------------
 */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES_MAX 256
#define CALLS_MAX      10000L

static void
fail(const char *what)
{
	fprintf(stderr, "crypt_verify: %s\n", what);
	exit(EXIT_FAILURE);
}

static void
read_line(char line[LINE_BYTES_MAX])
{
	if (fgets(line, LINE_BYTES_MAX, stdin) == NULL)
		fail("standard input needs two lines: password, hash");
	line[strcspn(line, "\n")] = '\0';
}

static double
now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		fail("no monotonic clock");
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

int
main(int argc, char **argv)
{
	static struct crypt_data data;
	char password[LINE_BYTES_MAX];
	char hash[LINE_BYTES_MAX];
	double begin;
	long calls = argc == 2 ? strtol(argv[1], NULL, 10) : 0;

	if (calls < 1 || calls > CALLS_MAX)
		fail("usage: crypt_verify CALLS <FILE");
	read_line(password);
	read_line(hash);

	begin = now_ns();
	for (long call = 0; call < calls; call++)
	{
		const char *result = crypt_r(password, hash, &data);

		if (result == NULL || strcmp(result, hash) != 0)
			fail("the password does not belong to the hash");
	}
	printf("%.0f\n", (now_ns() - begin) / (double) calls);
	return EXIT_SUCCESS;
}
