/*-------------------------------------------------------------------------
 *
 * config_secret.c
 *	  Secrets that a deployment hands over in the environment.
 *
 * JWT_SECRET and the like occur in several APIs, so <API>_<NAME> is the name
 * that always works and the bare <NAME> works only while one API is mounted.
 * A secret is moved out of the environment: /proc/<pid>/environ shows the
 * original strings, hence the wiping in place before unsetenv().
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static char *
secret_variable(const char *name)
{
	char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* Neither /proc nor a child shall see it again. */
static void
variable_wipe(const char *name, char *value)
{
	explicit_bzero(value, strlen(value));
	(void) unsetenv(name);
}

static AmSecretOutcome
secret_move(char *value, AmSecret *secret)
{
	size_t length = strlen(value);

	if (length > AM_SECRET_BYTES_MAX)
		return AM_SECRET_FAILED;
	secret->value = malloc(length + 1);
	if (secret->value == NULL)
		return AM_SECRET_FAILED;
	memcpy(secret->value, value, length + 1);
	secret->length = length;
	variable_wipe(secret->variable, value);
	return AM_SECRET_FOUND;
}

AmSecretOutcome
am_config_deployment_secret(const AmConfig *config, const char *api, const char *name,
							AmSecret *secret)
{
	char *value;
	int length;

	memset(secret, 0, sizeof(*secret));
	length = snprintf(secret->variable, sizeof(secret->variable), "%s_%s", api, name);
	if (length < 0 || (size_t) length >= sizeof(secret->variable))
		return AM_SECRET_FAILED;
	for (char *c = secret->variable; *c != '\0'; c++)
		*c = (char) toupper((unsigned char) *c);
	value = secret_variable(secret->variable);
	if (value != NULL)
		return secret_move(value, secret);

	(void) snprintf(secret->variable, sizeof(secret->variable), "%s", name);
	value = secret_variable(secret->variable);
	if (value == NULL || config->api_count != 1)
		return AM_SECRET_ABSENT;
	return secret_move(value, secret);
}

bool
am_config_deployment_ambiguous(const AmConfig *config, const char *name)
{
	char *value = secret_variable(name);

	if (value == NULL || config->api_count == 1)
		return false;
	variable_wipe(name, value);
	return true;
}

void
am_secret_wipe(AmSecret *secret)
{
	if (secret->value != NULL)
	{
		explicit_bzero(secret->value, secret->length);
		free(secret->value);
	}
	secret->value = NULL;
	secret->length = 0;
}
