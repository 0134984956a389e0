/*
 * test_manual.c
 *		Must hold: help, man page and markdown show every setting and option with its default,
 *		and are well-formed.
 */
#include "test.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "config.h"
#include "config_table.h"
#include "manual.h"
#include "manual_text.h"

static AmText text;

static const char *
print(void (*page)(AmText *output))
{
	am_text_free(&text);
	am_text_init(&text, AM_CONFIG_OUTPUT_BYTES_MAX);
	page(&text);
	CHECK(!text.failed);
	return am_text_string(&text);
}

/* The part of a page from a setting's own line to the next line that begins alike. */
static char *
entry_of(const char *page, const char *start, const char *next)
{
	const char *from = strstr(page, start);
	const char *to;

	if (!CHECK(from != NULL))
		return strdup("");
	to = strstr(from + strlen(start), next);
	return strndup(from, to != NULL ? (size_t) (to - from) : strlen(from));
}

/* Replaces runs of white space by one blank, so that wrapped text can be searched. */
static void
unwrap(char *entry)
{
	char *out = entry;

	for (const char *in = entry; *in != '\0'; in++)
	{
		bool blank = *in == ' ' || *in == '\n';

		if (!blank)
			*out++ = *in;
		else if (out > entry && out[-1] != ' ')
			*out++ = ' ';
	}
	*out = '\0';
}

static void
help_shows_every_setting_with_its_default(void)
{
	const char *page = print(am_manual_help);
	char start[128];

	for (int i = 0; i < am_setting_count; i++)
	{
		AmText paragraph;
		char *entry;

		test_case(am_settings[i].name);
		(void) snprintf(start, sizeof(start), "\n  --%s %s\n", am_settings[i].name,
						am_settings[i].placeholder);
		entry = entry_of(page, start, "\n  --");
		unwrap(entry);
		am_text_init(&paragraph, AM_CONFIG_OUTPUT_BYTES_MAX);
		am_manual_paragraph(&am_settings[i], &paragraph);
		CHECK_CONTAINS(entry, am_text_string(&paragraph));
		CHECK(strstr(am_text_string(&paragraph), " Default: ") != NULL);
		am_text_free(&paragraph);
		free(entry);
	}
	for (int i = 0; i < am_option_count; i++)
	{
		(void) snprintf(start, sizeof(start), "--%s%s%s\n", am_options[i].name,
						am_options[i].placeholder != NULL ? " " : "",
						am_options[i].placeholder != NULL ? am_options[i].placeholder : "");
		CHECK_CONTAINS(page, start);
	}
}

static void
paragraphs_are_literal(void)
{
	static const struct
	{
		const char *name;
		const char *end;
	} cases[] = {
		{"loops", "Variable: AUTHMETER_LOOPS. Range: 1 to 64. Default: 1."},
		{"database", "Variable: AUTHMETER_DATABASE, or else DATABASE_URL. Default: none."},
		{"idle_timeout_ms", "Variable: AUTHMETER_IDLE_TIMEOUT_MS. Range: 100 to 3600000 ms. "
							"SIGHUP takes over a change. Default: 60000 ms."},
		{"connection_memory_bytes", "Default: 16384 bytes (16kB)."},
		{"body_pool_bytes_max", "Default: 67108864 bytes (64MB)."},
		{"port", "or else PORT. Range: 0 to 65535. Default: 0."},
		{"quizzer_port",
		 "or else QUIZZER_PORT, or else AUTH_SERVICE_PORT. Range: 1 to 65535. Default: 3001."},
		{"listen", "or else LISTEN. Default: none."},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmText paragraph;

		test_case(cases[i].name);
		am_text_init(&paragraph, AM_CONFIG_OUTPUT_BYTES_MAX);
		am_manual_paragraph(&am_settings[am_setting_find(cases[i].name, strlen(cases[i].name))],
							&paragraph);
		CHECK(paragraph.length > strlen(cases[i].end));
		CHECK_STRING(cases[i].end,
					 am_text_string(&paragraph) + paragraph.length - strlen(cases[i].end));
		am_text_free(&paragraph);
	}
}

static void
help_fits_a_terminal(void)
{
	const char *page = print(am_manual_help);
	size_t longest = 0;

	while (*page != '\0')
	{
		size_t length = strcspn(page, "\n");

		longest = length > longest ? length : longest;
		page += length + (page[length] == '\n' ? 1 : 0);
	}
	CHECK_CONTAINS(am_text_string(&text),
				   "\n        Print the table of settings in Markdown and exit.\n");
	CHECK(longest <= 80);
	CHECK(longest > 70);
}

static void
man_page_uses_known_requests_only(void)
{
	static const char *const known[] = {".TH ", ".SH ", ".SS ", ".PP\n", ".TP\n", ".B ",
										".BR ", ".BI ", ".RI ", ".IB ",  ".nf\n", ".fi\n"};
	const char *page = print(am_manual_man);

	for (const char *line = page; line != NULL && *line != '\0';)
	{
		bool found = *line != '.' && *line != '\'';

		for (size_t i = 0; i < LENGTH_OF(known) && !found; i++)
			found = strncmp(line, known[i], strlen(known[i])) == 0;
		if (!found)
			CHECK_STRING("a known request", line);
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	for (int i = 0; i < am_setting_count; i++)
	{
		char tag[128];

		(void) snprintf(tag, sizeof(tag), "\n.TP\n\\fB\\-\\-%s\\fR \\fI", am_settings[i].name);
		CHECK_CONTAINS(page, tag);
	}
	CHECK_CONTAINS(page, "\nTime an idle keep\\-alive connection stays open. ");
	CHECK_CONTAINS(page, "to the database\\(aqs answer, then 503. ");
}

static void
groff_takes_the_man_page(void)
{
	FILE *groff;
	int status;

	if (system("command -v groff >/dev/null 2>&1") != 0)
	{
		printf("shim manual: groff is not installed, its check is left out\n");
		return;
	}
	/* warnings make it fail: groff itself only prints them */
	groff = popen("said=$(groff -man -ww -z 2>&1); test -z \"$said\" || ! echo \"$said\"", "w");
	CHECK(groff != NULL);
	if (groff == NULL)
		return;
	CHECK(fputs(print(am_manual_man), groff) >= 0);
	status = pclose(groff);
	CHECK(WIFEXITED(status));
	CHECK_INT(0, WEXITSTATUS(status));
}

static void
markdown_tables_are_whole(void)
{
	const char *page = print(am_manual_markdown);
	int rows = 0;

	for (const char *line = page; *line != '\0'; line += strcspn(line, "\n") + 1)
	{
		int cells = -1;

		if (*line != '|')
			continue;
		rows++;
		for (const char *c = line; *c != '\n'; c++)
			cells += *c == '|' && (c == line || c[-1] != '\\') ? 1 : 0;
		CHECK_INT(6, cells);
	}
	for (int section = 0; section < AM_SECTION_COUNT; section++)
		rows -= am_section_used((AmSettingSection) section) ? 2 : 0;
	CHECK_INT(am_setting_count, rows);
	for (int i = 0; i < am_setting_count; i++)
	{
		char start[128];

		(void) snprintf(start, sizeof(start), "\n| `%s` | `AUTHMETER_", am_settings[i].name);
		CHECK_CONTAINS(page, start);
		CHECK(strpbrk(am_settings[i].meaning, "|<") != NULL ||
			  strstr(page, am_settings[i].meaning) != NULL);
	}
	CHECK_CONTAINS(page, "| `loops` | `AUTHMETER_LOOPS` | 1 | 1 to 64 | restart |");
	CHECK_CONTAINS(page, "| `port` | `AUTHMETER_PORT`, `PORT` | 0 | 0 to 65535 | restart |");
}

int
main(void)
{
	TEST_RUN(help_shows_every_setting_with_its_default);
	TEST_RUN(paragraphs_are_literal);
	TEST_RUN(help_fits_a_terminal);
	TEST_RUN(man_page_uses_known_requests_only);
	TEST_RUN(groff_takes_the_man_page);
	TEST_RUN(markdown_tables_are_whole);
	am_text_free(&text);
	return test_end("shim manual");
}
