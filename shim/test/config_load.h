/*
 * config_load.h
 *		For the tests of the configuration: one load with a file, arguments and environment.
 */
#ifndef AM_SHIM_TEST_CONFIG_LOAD_H
#define AM_SHIM_TEST_CONFIG_LOAD_H

#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "config_table.h"
#include "config_value.h"

#define ARGUMENTS_MAX 16

/* What one load needs; strings are copied, because secrets are wiped in place. */
typedef struct Load
{
	AmConfig config;
	AmText output;
	AmConfigOutcome outcome;
	int argc;
	char *argv[ARGUMENTS_MAX + 1];
	char *environment[ARGUMENTS_MAX + 1];
	char path[64]; /* of the file, when there is one */
} Load;

static inline void
copy_words(char **words, const char *const *from)
{
	int count = 0;

	for (; from != NULL && from[count] != NULL && count < ARGUMENTS_MAX; count++)
		words[count] = strdup(from[count]);
	words[count] = NULL;
}

/* Writes a file for the load; the path is the load's. */
static inline void
write_file(Load *load, const char *content, size_t length)
{
	int fd;

	(void) snprintf(load->path, sizeof(load->path), "/tmp/authmeter-test-config-XXXXXX");
	fd = mkstemp(load->path);
	CHECK(fd >= 0);
	CHECK_INT((int64_t) length, write(fd, content, length));
	(void) close(fd);
}

static inline void
load_words(Load *load, const char *const *arguments, const char *const *environment)
{
	copy_words(load->argv + 1, arguments);
	load->argv[0] = strdup("authmeter-shim");
	for (load->argc = 0; load->argv[load->argc] != NULL;)
		load->argc++;
	copy_words(load->environment, environment);
	am_text_init(&load->output, AM_CONFIG_OUTPUT_BYTES_MAX);
	load->outcome =
		am_config_load(&load->config, load->argc, load->argv, load->environment, &load->output);
}

/* Loads with the content of a file (NULL = none) and with arguments and environment. */
static inline void
load_all(Load *load, const char *content, const char *const *arguments,
		 const char *const *environment)
{
	const char *all[ARGUMENTS_MAX + 1] = {"--config", load->path};
	int count = 2;

	memset(load, 0, sizeof(*load));
	if (content == NULL)
	{
		load_words(load, arguments, environment);
		return;
	}
	write_file(load, content, strlen(content));
	for (; arguments != NULL && *arguments != NULL; arguments++)
		all[count++] = *arguments;
	all[count] = NULL;
	load_words(load, all, environment);
}

static inline void
load_end(Load *load)
{
	if (load->outcome == AM_CONFIG_RUN || load->outcome == AM_CONFIG_CHECKED)
		am_config_free(&load->config);
	am_text_free(&load->output);
	for (int i = 0; i < load->argc; i++)
		free(load->argv[i]);
	for (int i = 0; load->environment[i] != NULL; i++)
		free(load->environment[i]);
	if (load->path[0] != '\0')
		(void) unlink(load->path);
}

/* Describes the mounts as "listener index api prefix;", for comparison. */
static inline void
describe_mounts(const AmConfig *config, char *text, size_t text_bytes)
{
	size_t length = 0;

	text[0] = '\0';
	for (int i = 0; i < config->mount_count && length < text_bytes; i++)
		length += (size_t) snprintf(text + length, text_bytes - length, "%s:%d %s %s;",
									config->listener[config->mount[i].listener].address,
									config->listener[config->mount[i].listener].port,
									config->mount[i].api, config->mount[i].prefix);
}

#endif /* AM_SHIM_TEST_CONFIG_LOAD_H */
