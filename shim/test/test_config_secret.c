/*
 * test_config_secret.c
 *		Must hold: secrets are never printed and do not stay where others can read them.
 */
#include "config_load.h"

#include <sys/stat.h>

/* ---- secrets ---- */

static void
secrets_are_not_printed(void)
{
	static const char *const accepted[] = {"--database", "host=h password=hunter2",
										   "--database=postgresql://u:hunter2@h", NULL};
	static const char *const refused[] = {"--databse", "postgresql://u:hunter2@h",
										  "--databse=hunter2", "--database=a\001hunter2", NULL};
	static const char *const environment[] = {"DATABASE_URL=hunter2\001", NULL};
	static const char file[] = "databse = hunter2\ndatabase = 'hunter2' x\ndatabase hunter2\n";
	Load load;

	load_all(&load, NULL, accepted, NULL);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	CHECK_STRING("postgresql://u:hunter2@h", load.config.database);
	for (int i = 0; i < load.argc; i++)
		CHECK_LACKS(load.argv[i], "hunter2");
	am_config_describe(&load.config, &load.output);
	CHECK_LACKS(am_text_string(&load.output), "hunter2");
	CHECK_CONTAINS(am_text_string(&load.output), "database = (hidden)\n");
	load_end(&load);

	load_all(&load, file, refused, environment);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_LACKS(am_text_string(&load.output), "hunter2");
	CHECK_CONTAINS(am_text_string(&load.output), "DATABASE_URL: the value holds a control");
	load_end(&load);
}

static void
open_files_with_secrets_are_warned_about(void)
{
	static const struct
	{
		const char *content;
		mode_t mode;
		int warnings;
	} cases[] = {
		{"database = a\n", 0644, 1},
		{"database = a\n", 0640, 0},
		{"database = a\n", 0600, 0},
		{"loops = 1\n", 0644, 0},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Load load;
		const char *arguments[] = {"--config", load.path, NULL};

		memset(&load, 0, sizeof(load));
		write_file(&load, cases[i].content, strlen(cases[i].content));
		CHECK_INT(0, chmod(load.path, cases[i].mode));
		load_words(&load, arguments, NULL);
		CHECK_INT(cases[i].warnings, load.config.warning_count);
		if (load.config.warning_count > 0)
			CHECK_CONTAINS(load.config.warning[0], "mode 644");
		load_end(&load);
	}
}

static void
deployment_secrets(void)
{
	static const struct
	{
		const char *listen;
		const char *specific; /* VSPLUGIN_JWT_SECRET */
		const char *bare;     /* JWT_SECRET */
		AmSecretOutcome outcome;
		const char *variable;
	} cases[] = {
		{"1=vsplugin", "s", NULL, AM_SECRET_FOUND, "VSPLUGIN_JWT_SECRET"},
		{"1=vsplugin", NULL, "b", AM_SECRET_FOUND, "JWT_SECRET"},
		{"1=vsplugin", "s", "b", AM_SECRET_FOUND, "VSPLUGIN_JWT_SECRET"},
		{"1=vsplugin 2=vsplugin", NULL, "b", AM_SECRET_FOUND, "JWT_SECRET"},
		{"1=vsplugin", NULL, NULL, AM_SECRET_ABSENT, "JWT_SECRET"},
		{"1=vsplugin", "", "", AM_SECRET_ABSENT, "JWT_SECRET"},
		{"1=vsplugin,quizzer", "s", NULL, AM_SECRET_FOUND, "VSPLUGIN_JWT_SECRET"},
		{"1=vsplugin,quizzer", "s", "b", AM_SECRET_FOUND, "VSPLUGIN_JWT_SECRET"},
		{"1=vsplugin,quizzer", NULL, "b", AM_SECRET_ABSENT, "JWT_SECRET"},
		{"1=vsplugin,quizzer", NULL, NULL, AM_SECRET_ABSENT, "JWT_SECRET"},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		const char *arguments[] = {"--listen", cases[i].listen, NULL};
		AmSecret secret;
		Load load;
		bool found = cases[i].outcome == AM_SECRET_FOUND;

		test_case(cases[i].listen);
		CHECK_INT(0, cases[i].specific != NULL ? setenv("VSPLUGIN_JWT_SECRET", cases[i].specific, 1)
											   : unsetenv("VSPLUGIN_JWT_SECRET"));
		CHECK_INT(0, cases[i].bare != NULL ? setenv("JWT_SECRET", cases[i].bare, 1)
										   : unsetenv("JWT_SECRET"));
		load_all(&load, NULL, arguments, NULL);
		CHECK_INT(cases[i].outcome,
				  am_config_deployment_secret(&load.config, "vsplugin", "JWT_SECRET", &secret));
		CHECK_STRING(cases[i].variable, secret.variable);
		CHECK_INT(found, secret.value != NULL);
		if (found)
		{
			CHECK_STRING(cases[i].specific != NULL ? cases[i].specific : cases[i].bare,
						 secret.value);
			CHECK_INT(1, secret.length);
			CHECK(getenv(cases[i].variable) == NULL);
		}
		/* with several APIs the bare name is nobody's: told once, and gone */
		CHECK_INT(load.config.api_count > 1 && cases[i].bare != NULL,
				  am_config_deployment_ambiguous(&load.config, "JWT_SECRET"));
		CHECK(load.config.api_count == 1 || getenv("JWT_SECRET") == NULL);
		CHECK(!am_config_deployment_ambiguous(&load.config, "JWT_SECRET"));
		am_secret_wipe(&secret);
		CHECK(secret.value == NULL);
		load_end(&load);
	}
}

static void
deployment_secrets_are_wiped_in_place(void)
{
	static char entry[] = "VSPLUGIN_API_KEY=hunter2";
	AmSecret secret;
	Load load;

	load_all(&load, NULL, NULL, NULL);
	CHECK_INT(0, putenv(entry));
	CHECK_INT(AM_SECRET_FOUND,
			  am_config_deployment_secret(&load.config, "vsplugin", "API_KEY", &secret));
	CHECK_STRING("hunter2", secret.value);
	CHECK_STRING("VSPLUGIN_API_KEY=", entry);
	am_secret_wipe(&secret);
	CHECK_INT(AM_SECRET_ABSENT,
			  am_config_deployment_secret(&load.config, "vsplugin", "API_KEY", &secret));
	load_end(&load);
}

static void
deployment_secrets_are_bounded(void)
{
	static char large[AM_SECRET_BYTES_MAX + 2];
	AmSecret secret;
	Load load;

	load_all(&load, "listen = 3000=vsplugin\n", NULL, NULL);
	memset(large, 'x', AM_SECRET_BYTES_MAX + 1);
	CHECK_INT(0, setenv("JWT_SECRET", large, 1));
	CHECK_INT(AM_SECRET_FAILED,
			  am_config_deployment_secret(&load.config, "vsplugin", "JWT_SECRET", &secret));
	CHECK(secret.value == NULL);
	large[AM_SECRET_BYTES_MAX] = '\0';
	CHECK_INT(0, setenv("JWT_SECRET", large, 1));
	CHECK_INT(AM_SECRET_FOUND,
			  am_config_deployment_secret(&load.config, "vsplugin", "JWT_SECRET", &secret));
	CHECK_INT(AM_SECRET_BYTES_MAX, secret.length);
	am_secret_wipe(&secret);
	large[200] = '\0';
	CHECK_INT(AM_SECRET_FAILED,
			  am_config_deployment_secret(&load.config, "vsplugin", large, &secret));
	load_end(&load);
}

int
main(void)
{
	static char *no_environment[] = {NULL};

	environ = no_environment;
	TEST_RUN(secrets_are_not_printed);
	TEST_RUN(open_files_with_secrets_are_warned_about);
	TEST_RUN(deployment_secrets);
	TEST_RUN(deployment_secrets_are_wiped_in_place);
	TEST_RUN(deployment_secrets_are_bounded);
	return test_end("shim config_secret");
}
