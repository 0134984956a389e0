/*
 * test_mailer_message.c
 *		Must hold: a mail is to one recipient, has the header it should have and no other, whatever
 *		its values hold, and can be read back to what it says.
 */
#include "test.h"

#include <stdlib.h>

#include "mailer_message.h"

static const AmMailbox from = {"", "noreply@example.com"};

static AmText text;

static const char *
write_message(const AmMailMessage *message, const AmMailbox *sender, const AmMailbox *reply_to)
{
	am_text_free(&text);
	am_text_init(&text, AM_MAIL_MESSAGE_BYTES_MAX);
	am_mail_message_write(&text, message, sender, reply_to, "example.com");
	CHECK(!text.failed);
	return am_text_string(&text);
}

static const char *
write_values(const char *subject, const char *body, const char *html)
{
	AmMailMessage message = {.id = "01a1",
							 .created_s = 1795238346,
							 .recipient = "ana@example.com",
							 .subject = subject,
							 .text = body,
							 .html = html};

	return write_message(&message, &from, NULL);
}

static void
whole_message(void)
{
	CHECK_STRING("Date: Sat, 21 Nov 2026 05:19:06 +0000\r\n"
				 "From: noreply@example.com\r\n"
				 "To: ana@example.com\r\n"
				 "Subject: Hello\r\n"
				 "Message-ID: <01a1@example.com>\r\n"
				 "Auto-Submitted: auto-generated\r\n"
				 "X-Auto-Response-Suppress: All\r\n"
				 "MIME-Version: 1.0\r\n"
				 "Content-Type: text/plain; charset=utf-8\r\n"
				 "Content-Transfer-Encoding: quoted-printable\r\n"
				 "\r\n"
				 "Hi\r\n",
				 write_values("Hello", "Hi", NULL));
	CHECK_CONTAINS(write_values("Hello", "Hi\n", "<p>Hi</p>\n"),
				   "MIME-Version: 1.0\r\n"
				   "Content-Type: multipart/alternative;\r\n boundary=\"=_01a1\"\r\n"
				   "\r\n"
				   "--=_01a1\r\n"
				   "Content-Type: text/plain; charset=utf-8\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\n"
				   "\r\n"
				   "Hi\r\n"
				   "--=_01a1\r\n"
				   "Content-Type: text/html; charset=utf-8\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\n"
				   "\r\n"
				   "<p>Hi</p>\r\n"
				   "--=_01a1--\r\n");
}

/* The value of the field as it stands, folded lines and all. */
static void
field_of(const char *message, const char *name, char *value, size_t value_bytes)
{
	char start[64];
	const char *at;
	size_t length = 0;

	(void) snprintf(start, sizeof(start), "\r\n%s: ", name);
	at = strstr(message, start);
	CHECK(at != NULL);
	at = at != NULL ? at + strlen(start) : "";
	while (at[length] != '\0' &&
		   !(at[length] == '\r' && at[length + 1] == '\n' && at[length + 2] != ' '))
		length++;
	(void) snprintf(value, value_bytes, "%.*s", (int) length, at);
}

static void
subjects(void)
{
	static const struct
	{
		const char *subject;
		const char *field;
	} cases[] = {
		{"Your code", "Your code"},
		{"a < b & \"c\"", "a < b & \"c\""},
		{"123456789 123456789 123456789 123456789 123456789 123456789 ",
		 "123456789 123456789 123456789 123456789 123456789 123456789 "},
		{"Gr\xc3\xbc\xc3\x9f"
		 "e",
		 "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="},
		{"=?UTF-8?Q?=41?=", "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3F=3D41=3F=3D?="},
		{"a\r\nBcc: b@example.com", "=?UTF-8?Q?a=0D=0ABcc=3A_b=40example=2Ecom?="},
		{"a\tb\x7f", "=?UTF-8?Q?a=09b=7F?="},
		/* A line of more than 75 characters is broken between characters, never within one. */
		{"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82"
		 "\xac",
		 "=?UTF-8?Q?=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC?=\r\n"
		 " =?UTF-8?Q?=E2=82=AC?="},
		{"\xff\xc3", "=?UTF-8?Q?=FF=C3?="},
	};
	char value[512];

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].subject);
		field_of(write_values(cases[i].subject, "x", NULL), "Subject", value, sizeof(value));
		CHECK_STRING(cases[i].field, value);
	}
}

static void
senders(void)
{
	static const struct
	{
		const char *mailbox;
		const char *field;
	} cases[] = {
		{"a@example.com", "a@example.com"},
		{" a@example.com ", "a@example.com"},
		{"<a@example.com>", "a@example.com"},
		{"Example <a@example.com>", "\"Example\"\r\n <a@example.com>"},
		{"\"Example, Inc.\" <a@example.com>", "\"Example, Inc.\"\r\n <a@example.com>"},
		{"Gr\xc3\xbc\xc3\x9f"
		 "e <a@example.com>",
		 "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n <a@example.com>"},
		{"a@b\xc3\xbc"
		 "cher.example",
		 "a@xn--bcher-kva.example"},
	};
	static const char *const refused[] = {
		"",
		"a",
		"a@",
		"@example.com",
		"a@exa mple.com",
		"a b@example.com",
		"a,b@example.com",
		"a@example.com, b@example.com",
		"Example a@example.com",
		"Example <a@example.com",
		"Example <a@example.com> more",
		"Ex\"ample <a@example.com>",
		"Ex\\ample <a@example.com>",
		"Ex\rample <a@example.com>",
		"a@example.com>",
		"<a@example.com>>",
		"<<a@example.com>",
		"a:b@example.com",
		"a\x7f@example.com",
		"a@exam_ple.com",
	};
	AmMailMessage message = {.id = "1", .recipient = "x@y.z", .subject = "s", .text = "t"};
	AmMailbox mailbox;
	char value[512];

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].mailbox);
		CHECK(am_mailbox_parse(cases[i].mailbox, &mailbox));
		field_of(write_message(&message, &mailbox, &mailbox), "From", value, sizeof(value));
		CHECK_STRING(cases[i].field, value);
		field_of(am_text_string(&text), "Reply-To", value, sizeof(value));
		CHECK_STRING(cases[i].field, value);
	}
	for (size_t i = 0; i < LENGTH_OF(refused); i++)
	{
		test_case(refused[i]);
		CHECK(!am_mailbox_parse(refused[i], &mailbox));
	}
}

static void
addresses(void)
{
	char wire[AM_MAIL_ADDRESS_BYTES];
	char longest[400];

	CHECK(am_mail_address("ana@example.com", wire, sizeof(wire)));
	CHECK_STRING("ana@example.com", wire);
	CHECK_STRING("example.com", am_mail_domain(wire));
	CHECK(am_mail_address("o'neill+x/y=z{1}~!#$%&*?^_`|@example.com", wire, sizeof(wire)));
	CHECK(am_mail_address("a\xc3\xb1\xc3\xa1@example.com", wire, sizeof(wire)));
	CHECK_STRING("a\xc3\xb1\xc3\xa1@example.com", wire);
	CHECK(!am_mail_address("ana@example.com\r\nRCPT TO:<b@example.com>", wire, sizeof(wire)));
	CHECK(!am_mail_address("ana@example.com> SIZE=1", wire, sizeof(wire)));
	CHECK(!am_mail_address("a@b@example.com", wire, sizeof(wire)));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 300, "@example.com", 13);
	CHECK(!am_mail_address(longest, wire, sizeof(wire)));
	CHECK(!am_mail_address("ana@example.com", wire, 15));
	CHECK(am_mail_address("ana@example.com", wire, 16));
}

/* Undoes quoted-printable; false where a line is too long or not encoded as it must be. */
static bool
unquote(const char *body, char *out)
{
	size_t column = 0;

	for (; *body != '\0'; body++, column++)
	{
		if (*body == '\r' && body[1] == '\n')
		{
			if (body > text.data && (body[-1] == ' ' || body[-1] == '\t'))
				return false;
			*out++ = '\n';
			body++;
			column = (size_t) -1;
		}
		else if (*body == '=' && body[1] == '\r' && body[2] == '\n')
		{
			body += 2;
			column = (size_t) -1;
		}
		else if (*body == '=')
		{
			char hex[3] = {body[1], body[2], '\0'};

			*out++ = (char) strtol(hex, NULL, 16);
			body += 2;
			column += 2;
		}
		else if ((*body >= ' ' && *body <= '~') || *body == '\t')
			*out++ = *body;
		else
			return false;
		if (column != (size_t) -1 && column >= 76)
			return false;
	}
	*out = '\0';
	return true;
}

static void
bodies(void)
{
	static const char *const cases[] = {
		"one line\n",
		"two\nlines\n",
		"blanks at the end \t \nand inside\tof lines \n",
		"= and =41 and =\n",
		".\n..\n.x\n",
		"--=_01a1\nContent-Type: text/html\n\n<p>\n--=_01a1--\n",
		"\n\n\n",
		"Gr\xc3\xbc\xc3\x9f"
		"e, \xe2\x82\xac \xf0\x9f\x98\x80\n",
		"\x01\x02\x1b[31m\x7f\xff\n",
		"lone \r carriage return\n",
	};
	char longer[4000];
	char back[16000];

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i]);
		CHECK(unquote(strstr(write_values("s", cases[i], NULL), "\r\n\r\n") + 4, back));
		CHECK_STRING(cases[i], back);
	}
	for (size_t length = 70; length < 240; length++)
	{
		memset(longer, 'x', length);
		memcpy(longer + length - 3, " =\n", 4);
		CHECK(unquote(strstr(write_values("s", longer, NULL), "\r\n\r\n") + 4, back));
		CHECK_STRING(longer, back);
	}
	/* CR LF is a line's end as LF is; a missing one is added. */
	CHECK(unquote(strstr(write_values("s", "a\r\nb", NULL), "\r\n\r\n") + 4, back));
	CHECK_STRING("a\nb\n", back);
	CHECK_CONTAINS(write_values("s", "", "x"), "printable\r\n\r\n--=_01a1\r\n");
}

int
main(void)
{
	TEST_RUN(whole_message);
	TEST_RUN(subjects);
	TEST_RUN(senders);
	TEST_RUN(addresses);
	TEST_RUN(bodies);
	am_text_free(&text);
	return test_end("mailer message");
}
