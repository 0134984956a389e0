/*
 * test_config_reload.c
 *		Must hold: a reload takes over what can change and keeps the rest; what is printed is true.
 */
#include "config_load.h"

/* ---- reload ---- */

/* Replaces the file that the load read. */
static void
rewrite_file(const Load *load, const char *content)
{
	FILE *file = fopen(load->path, "we");

	CHECK(file != NULL);
	if (file == NULL)
		return;
	CHECK(fputs(content, file) >= 0);
	CHECK_INT(0, fclose(file));
}

static void
reload_takes_over_what_can_change(void)
{
	static const char *const arguments[] = {"--header_timeout_ms=7s", "--database", "secret", NULL};
	Load load;
	AmConfig next;
	AmText output;

	load_all(&load, "idle_timeout_ms = 1s\nloops = 2\nlisten = 1=a\nlog_file = /tmp/a\n", arguments,
			 NULL);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	rewrite_file(&load, "idle_timeout_ms = 2s\nheader_timeout_ms = 1s\nloops = 3\n"
						"listen = 2=b\nlog_file = /tmp/b\nadmin = off\nlog_level = error\n");
	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	CHECK(am_config_reload(&load.config, &next, &output));
	CHECK_STRING("", am_text_string(&output));
	CHECK_INT(2000, next.idle_timeout_ms);
	CHECK_INT(AM_LEVEL_ERROR, next.log_level);
	CHECK_INT(7000, next.header_timeout_ms); /* the command line is still stronger */
	CHECK_STRING("secret", next.database);   /* although the arguments were wiped */
	CHECK_INT(2, next.loops);
	CHECK_STRING("/tmp/a", next.log_file);
	CHECK_INT(9464, next.admin.port);
	CHECK_INT(1, next.listener[0].port);
	CHECK_STRING("a", next.mount[0].api);
	CHECK_STRING("a", next.api[0]);
	CHECK_STRING(load.path, next.file);
	CHECK_INT(4, next.warning_count);
	for (int i = 0; i < next.warning_count; i++)
		CHECK_CONTAINS(next.warning[i], "needs a restart");

	/* and again from the new one, without the old */
	am_config_free(&load.config);
	load.config = next;
	rewrite_file(&load, "idle_timeout_ms = 3s\nloops = 2\nlisten = 1=a\nlog_file = /tmp/a\n");
	CHECK(am_config_reload(&load.config, &next, &output));
	CHECK_INT(3000, next.idle_timeout_ms);
	CHECK_INT(AM_LEVEL_INFO, next.log_level);
	CHECK_INT(0, next.warning_count);
	am_config_free(&next);
	am_text_free(&output);
	load_end(&load);
}

static void
broken_reload_keeps_the_old(void)
{
	Load load;
	AmConfig next;
	AmText output;

	load_all(&load, "idle_timeout_ms = 1s\n", NULL, NULL);
	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	rewrite_file(&load, "idle_timeout_ms = soon\n");
	CHECK(!am_config_reload(&load.config, &next, &output));
	CHECK_CONTAINS(am_text_string(&output), ":1: idle_timeout_ms");
	CHECK_INT(1000, load.config.idle_timeout_ms);

	am_text_reset(&output);
	CHECK_INT(0, unlink(load.path));
	CHECK(!am_config_reload(&load.config, &next, &output));
	CHECK_CONTAINS(am_text_string(&output), "could not open");
	am_text_free(&output);
	load_end(&load);
}

static void
reload_without_a_file(void)
{
	static const char *const environment[] = {"AUTHMETER_LOOPS=5", NULL};
	Load load;
	AmConfig next;
	AmText output;

	load_all(&load, NULL, NULL, environment);
	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	CHECK(am_config_reload(&load.config, &next, &output));
	CHECK_INT(5, next.loops);
	CHECK(next.file == NULL);
	CHECK_INT(0, next.warning_count);
	am_config_free(&next);
	am_text_free(&output);
	load_end(&load);
}

/* ---- options that print ---- */

static void
printing_options(void)
{
	static const struct
	{
		const char *argument;
		AmConfigOutcome outcome;
		const char *starts;
	} cases[] = {
		{"--help", AM_CONFIG_PRINTED, "Usage: authmeter-shim "},
		{"-h", AM_CONFIG_PRINTED, "Usage: authmeter-shim "},
		{"--version", AM_CONFIG_PRINTED, "authmeter-shim 1.0\n"},
		{"-V", AM_CONFIG_PRINTED, "authmeter-shim 1.0\n"},
		{"--man", AM_CONFIG_PRINTED, ".TH AUTHMETER\\-SHIM 1"},
		{"--settings-markdown", AM_CONFIG_PRINTED, "# Settings of authmeter-shim\n"},
		{"--check", AM_CONFIG_CHECKED, "authmeter-shim: the configuration is valid\n"},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		const char *alone[] = {cases[i].argument, NULL};
		const char *with_error[] = {"--loops=x", cases[i].argument, NULL};
		Load load;

		test_case(cases[i].argument);
		load_all(&load, NULL, alone, NULL);
		CHECK_INT(cases[i].outcome, load.outcome);
		CHECK(strncmp(am_text_string(&load.output), cases[i].starts, strlen(cases[i].starts)) == 0);
		load_end(&load);

		/* help is given whatever else is wrong; a check finds it */
		load_all(&load, NULL, with_error, NULL);
		CHECK_INT(cases[i].outcome == AM_CONFIG_PRINTED ? AM_CONFIG_PRINTED : AM_CONFIG_FAILED,
				  load.outcome);
		load_end(&load);
	}
}

static void
description_can_be_read_back(void)
{
	static const char *const arguments[] = {"--listen=[::1]:8080/s/x=a,b", "--admin=off",
											"--loops=3", NULL};
	Load first;
	Load second;
	AmText again;

	load_all(&first, NULL, arguments, NULL);
	am_config_describe(&first.config, &first.output);
	load_all(&second, am_text_string(&first.output), NULL, NULL);
	CHECK_INT(AM_CONFIG_RUN, second.outcome);
	am_text_init(&again, AM_CONFIG_OUTPUT_BYTES_MAX);
	am_config_describe(&second.config, &again);
	CHECK_STRING(am_text_string(&first.output), am_text_string(&again));
	CHECK_CONTAINS(am_text_string(&again), "mount = b [::1]:8080 /s/x\n");
	CHECK_CONTAINS(am_text_string(&again), "admin = off\n");
	CHECK_CONTAINS(am_text_string(&again), "log_file = stdout\n");
	CHECK_CONTAINS(am_text_string(&again), "database = \n");
	am_text_free(&again);
	load_end(&second);
	load_end(&first);
}

int
main(void)
{
	TEST_RUN(reload_takes_over_what_can_change);
	TEST_RUN(broken_reload_keeps_the_old);
	TEST_RUN(reload_without_a_file);
	TEST_RUN(printing_options);
	TEST_RUN(description_can_be_read_back);
	return test_end("shim config_reload");
}
