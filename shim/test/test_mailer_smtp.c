/*
 * test_mailer_smtp.c
 *		Must hold: what a server says decides about the mail it is said of and no other; a mail
 *		counts as delivered only by a positive answer to the message itself. And pauses grow within
 *		bounds.
 */
#include "test.h"

#include "mailer.h"
#include "mailer_send.h"

/* What is said in turn, C: commands and S: replies, and what it comes to. */
static const struct
{
	const char *talk[16];
	AmSmtpStage stage;
	int code;
	AmSendVerdict verdict;
} talks[] = {
	{{NULL}, AM_STAGE_CONNECT, 0, AM_SEND_TROUBLE},
	{{"S:554 no"}, AM_STAGE_CONNECT, 554, AM_SEND_TROUBLE},
	{{"S:220 hi", "C:EHLO x", "S:250-x", "S:250-SIZE 1", "S:250 AUTH", "C:AUTH PLAIN", "S:334 ",
	  "C:DATA", "S:535 wrong"},
	 AM_STAGE_AUTH,
	 535,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:550 not you"}, AM_STAGE_MAIL, 550, AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c> SIZE=9", "S:552 too large"}, AM_STAGE_MAIL, 552, AM_SEND_REJECTED},
	{{"C:MAIL FROM:<a@b.c>", "S:530 log in"}, AM_STAGE_MAIL, 530, AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:550 nobody"},
	 AM_STAGE_RCPT,
	 550,
	 AM_SEND_REJECTED},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:450-not", "S:450 now"},
	 AM_STAGE_RCPT,
	 450,
	 AM_SEND_DEFERRED},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:421 bye"},
	 AM_STAGE_RCPT,
	 421,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok"},
	 AM_STAGE_RCPT,
	 250,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:554 no"},
	 AM_STAGE_DATA,
	 554,
	 AM_SEND_REJECTED},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:250 odd"},
	 AM_STAGE_DATA,
	 250,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go"},
	 AM_STAGE_BODY,
	 354,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go",
	  "S:250-taken", "S:250 taken"},
	 AM_STAGE_END,
	 250,
	 AM_SEND_DELIVERED},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go",
	  "S:250-taken"},
	 AM_STAGE_BODY,
	 354,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go",
	  "S:452 full"},
	 AM_STAGE_END,
	 452,
	 AM_SEND_DEFERRED},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go",
	  "S:554 spam"},
	 AM_STAGE_END,
	 554,
	 AM_SEND_REJECTED},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go",
	  "S:421 bye"},
	 AM_STAGE_END,
	 421,
	 AM_SEND_TROUBLE},
	{{"C:MAIL FROM:<a@b.c>", "S:250 ok", "C:RCPT TO:<d@e.f>", "S:250 ok", "C:DATA", "S:354 go",
	  "S:xyz", "S:25", "S:", "S:999 what"},
	 AM_STAGE_END,
	 999,
	 AM_SEND_TROUBLE},
	/* Lines of a login that look like commands, and commands out of turn. */
	{{"C:AUTH LOGIN", "S:334 x", "C:RCPTTO", "S:334 x", "C:DATA", "S:235 ok"},
	 AM_STAGE_AUTH,
	 235,
	 AM_SEND_TROUBLE},
	{{"C:RCPT TO:<d@e.f>", "S:550 no"}, AM_STAGE_CONNECT, 550, AM_SEND_TROUBLE},
};

static void
verdicts(void)
{
	for (size_t i = 0; i < LENGTH_OF(talks); i++)
	{
		AmSmtpStage stage = AM_STAGE_CONNECT;
		const char *last = "nothing said";
		int code = 0;

		for (int k = 0; talks[i].talk[k] != NULL; k++)
		{
			char line[80];
			int length = snprintf(line, sizeof(line), "%s\r\n", talks[i].talk[k] + 2);

			last = talks[i].talk[k];
			stage = last[0] == 'C' ? am_smtp_after_command(stage, line, (size_t) length)
								   : am_smtp_after_reply(stage, line, (size_t) length, &code);
		}
		test_case(last);
		CHECK_INT(talks[i].stage, stage);
		CHECK_INT(talks[i].code, code);
		CHECK_INT(talks[i].verdict, am_smtp_verdict(stage, code));
	}
}

static void
pauses(void)
{
	static const int longest[] = {100, 200, 400, 800, 1000, 1000};

	for (unsigned jitter = 0; jitter < 1000; jitter += 333)
	{
		AmPause pause = {0};

		for (size_t i = 0; i < LENGTH_OF(longest); i++)
		{
			am_pause_begin(&pause, 100, 1000, 5000, jitter);
			CHECK_INT(5000 + longest[i] - (int64_t) longest[i] * jitter / 2000, pause.until_ms);
			CHECK_INT((int) i + 1, pause.failures);
		}
		am_pause_end(&pause);
		am_pause_begin(&pause, 100, 1000, 5000, 0);
		CHECK_INT(5100, pause.until_ms);
		/* Bounds that a reload has changed. */
		am_pause_begin(&pause, 3000, 3600000, 5000, 0);
		CHECK_INT(8000, pause.until_ms);
		am_pause_begin(&pause, 10, 20, 5000, 0);
		CHECK_INT(5020, pause.until_ms);
	}
	for (int i = 0; i < 2; i++)
	{
		AmPause pause = {.length_ms = 3600000};

		am_pause_begin(&pause, 3600000, 3600000, 0, 999);
		CHECK(pause.until_ms >= 1800000 && pause.until_ms <= 3600000);
	}
}

static void
figures(void)
{
	AmMailerFigures some = {
		.sent = 1, .deferred = 2, .rejected = 3, .released = 4, .server_down = true};
	AmText page;

	am_text_init(&page, 65536);
	am_mailer_metrics_page(&page, &some);
	CHECK(!page.failed);
	CHECK_CONTAINS(am_text_string(&page), "# TYPE authmeter_mailer_mails_total counter\n"
										  "authmeter_mailer_mails_total{outcome=\"sent\"} 1\n"
										  "authmeter_mailer_mails_total{outcome=\"deferred\"} 2\n"
										  "authmeter_mailer_mails_total{outcome=\"rejected\"} 3\n"
										  "authmeter_mailer_mails_total{outcome=\"released\"} 4\n");
	CHECK_CONTAINS(am_text_string(&page), "\nauthmeter_mailer_server_up 0\n");
	CHECK_CONTAINS(am_text_string(&page), "\nauthmeter_mailer_database_up 1\n");
	am_text_free(&page);
	CHECK(am_mailer_metrics_write(&some, "", 1));
	CHECK(!am_mailer_metrics_write(&some, "/nonexistent/x", 1));
	/* Not again so soon. */
	CHECK(am_mailer_metrics_write(&some, "/nonexistent/x", AM_METRICS_INTERVAL_MS));
	CHECK(!am_mailer_metrics_write(&some, "/nonexistent/x", AM_METRICS_INTERVAL_MS + 1));
}

int
main(void)
{
	TEST_RUN(verdicts);
	TEST_RUN(pauses);
	TEST_RUN(figures);
	return test_end("mailer smtp");
}
