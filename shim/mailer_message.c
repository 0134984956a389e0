/*-------------------------------------------------------------------------
 *
 * mailer_message.c
 *	  A mail as it travels; see mailer_message.h.
 *
 * Bodies are quoted-printable, in which "=_" never occurs: a boundary that
 * begins with it needs no search for one that is free (RFC 2045, section 6.7).
 *
 *-------------------------------------------------------------------------
 */
#include "mailer_message.h"

#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_COLUMNS_MAX    76  /* of quoted-printable, RFC 2045 section 6.7 */
#define WORD_COLUMNS_MAX    75  /* of an encoded word, RFC 2047 section 2 */
#define SUBJECT_COLUMNS_MAX 60  /* that stands on one line as it is */
#define LOCAL_BYTES_MAX     254 /* longer ones are the server's to refuse */

static const char word_start[] = "=?UTF-8?Q?";
static const char word_end[] = "?=";
static const char hex_digits[] = "0123456789ABCDEF";

/* ---- addresses ---- */

/* What a local part may hold without quotes (RFC 5321 Dot-string, RFC 6531), dots anywhere. */
static bool
local_is_plain(const char *local, size_t length)
{
	if (length == 0 || length > LOCAL_BYTES_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) local[i];

		if (c <= ' ' || c == 0x7f || strchr("()<>[]:;@\\,\"", c) != NULL)
			return false;
	}
	return true;
}

/* Letters, digits, dashes and dots, as they are looked up. */
static bool
domain_is_plain(const char *domain)
{
	size_t length = strlen(domain);

	return length > 0 && length <= AM_HOST_BYTES_MAX &&
		   strspn(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
			   length;
}

bool
am_mail_address(const char *address, char *wire, size_t wire_bytes)
{
	const char *at = strrchr(address, '@');
	char *domain = NULL;
	size_t local;
	bool fits = false;

	if (at == NULL || !local_is_plain(address, (size_t) (at - address)))
		return false;
	local = (size_t) (at - address) + 1;
	if (idn2_to_ascii_8z(at + 1, &domain, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
		return false;
	if (domain_is_plain(domain) && local + strlen(domain) < wire_bytes)
	{
		memcpy(wire, address, local);
		memcpy(wire + local, domain, strlen(domain) + 1);
		fits = true;
	}
	free(domain);
	return fits;
}

const char *
am_mail_domain(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL ? at + 1 : address;
}

static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && **text == ' ')
	{
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && (*text)[*length - 1] == ' ')
		(*length)--;
}

/* The name before the address, without the quotes around it. */
static bool
name_take(const char *text, size_t length, AmMailbox *mailbox)
{
	trim(&text, &length);
	if (length >= 2 && text[0] == '"' && text[length - 1] == '"')
	{
		text++;
		length -= 2;
	}
	if (length > AM_MAIL_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (iscntrl((unsigned char) text[i]) || strchr("\"\\<>", text[i]) != NULL)
			return false;
	}
	memcpy(mailbox->name, text, length);
	mailbox->name[length] = '\0';
	return true;
}

bool
am_mailbox_parse(const char *text, AmMailbox *mailbox)
{
	const char *open = strrchr(text, '<');
	size_t length = strlen(text);
	char *address;
	bool parsed;

	memset(mailbox, 0, sizeof(*mailbox));
	trim(&text, &length);
	if (open == NULL)
		address = strndup(text, length);
	else
	{
		if (length == 0 || text[length - 1] != '>' ||
			!name_take(text, (size_t) (open - text), mailbox))
			return false;
		address = strndup(open + 1, (size_t) (text + length - 1 - (open + 1)));
	}
	parsed =
		address != NULL && am_mail_address(address, mailbox->address, sizeof(mailbox->address));
	free(address);
	return parsed;
}

/* ---- header fields ---- */

static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

/* Bytes of the UTF-8 character at text; a stray byte counts as one. */
static size_t
character_bytes(const char *text)
{
	size_t bytes = 1;

	while (((unsigned char) text[0] & 0xc0) == 0xc0 && bytes < 4 &&
		   ((unsigned char) text[bytes] & 0xc0) == 0x80)
		bytes++;
	return bytes;
}

/* May stand in an encoded word of a phrase as itself (RFC 2047, section 5 (3)). */
static bool
is_word_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		   (c != '\0' && strchr("!*+-/", c) != NULL);
}

static void
put_hex(AmText *output, char mark, char c)
{
	am_text_putc(output, mark);
	am_text_putc(output, hex_digits[(unsigned char) c >> 4]);
	am_text_putc(output, hex_digits[(unsigned char) c & 0x0f]);
}

/* Encoded words (RFC 2047), each on a line of its own; no character is torn apart. */
static void
put_words(AmText *output, const char *text)
{
	size_t columns = sizeof(word_start) - 1;

	am_text_puts(output, word_start);
	while (*text != '\0')
	{
		size_t bytes = character_bytes(text);
		size_t wide = bytes == 1 && (is_word_character(*text) || *text == ' ') ? 1 : 3 * bytes;

		if (columns + wide + sizeof(word_end) - 1 > WORD_COLUMNS_MAX)
		{
			am_text_printf(output, "%s\r\n %s", word_end, word_start);
			columns = sizeof(word_start) - 1;
		}
		columns += wide;
		for (; bytes > 0; bytes--, text++)
		{
			if (*text == ' ')
				am_text_putc(output, '_');
			else if (wide == 1)
				am_text_putc(output, *text);
			else
				put_hex(output, '=', *text);
		}
	}
	am_text_puts(output, word_end);
}

static void
put_subject(AmText *output, const char *subject)
{
	am_text_puts(output, "Subject: ");
	if (is_plain(subject) && strlen(subject) <= SUBJECT_COLUMNS_MAX &&
		strstr(subject, "=?") == NULL)
		am_text_puts(output, subject);
	else
		put_words(output, subject);
	am_text_puts(output, "\r\n");
}

/* A name in ASCII stands in quotes; it holds none itself (am_mailbox_parse). */
static void
put_mailbox(AmText *output, const char *field, const AmMailbox *mailbox)
{
	am_text_printf(output, "%s: ", field);
	if (mailbox->name[0] == '\0')
	{
		am_text_printf(output, "%s\r\n", mailbox->address);
		return;
	}
	if (is_plain(mailbox->name) && strlen(mailbox->name) <= SUBJECT_COLUMNS_MAX &&
		strstr(mailbox->name, "=?") == NULL)
		am_text_printf(output, "\"%s\"", mailbox->name);
	else
		put_words(output, mailbox->name);
	am_text_printf(output, "\r\n <%s>\r\n", mailbox->address);
}

/* RFC 5322 section 3.3; names of days and months are English whatever the locale. */
static void
put_date(AmText *output, int64_t created_s)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
									 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t at = (time_t) created_s;
	struct tm part;

	if (gmtime_r(&at, &part) != NULL)
		am_text_printf(output, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[part.tm_wday],
					   part.tm_mday, months[part.tm_mon], part.tm_year + 1900, part.tm_hour,
					   part.tm_min, part.tm_sec);
}

/* ---- bodies ---- */

static bool
is_line_end(const char *text)
{
	return *text == '\0' || *text == '\n' || (text[0] == '\r' && text[1] == '\n');
}

/* One character in quoted-printable; a line is broken softly before it gets too long. */
static void
put_quoted(AmText *output, const char *text, size_t *columns)
{
	char c = *text;
	bool plain =
		(c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !is_line_end(text + 1));
	size_t wide = plain ? 1 : 3;

	if (*columns + wide > LINE_COLUMNS_MAX - 1)
	{
		am_text_puts(output, "=\r\n");
		*columns = 0;
	}
	*columns += wide;
	if (plain)
		am_text_putc(output, c);
	else
		put_hex(output, '=', c);
}

static void
put_body(AmText *output, const char *type, const char *body)
{
	size_t columns = 0;

	am_text_printf(output,
				   "Content-Type: %s; charset=utf-8\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
				   type);
	for (; *body != '\0'; body++)
	{
		if (!is_line_end(body))
			put_quoted(output, body, &columns);
		else
		{
			am_text_puts(output, "\r\n");
			columns = 0;
			if (*body == '\r')
				body++;
		}
	}
	if (columns > 0)
		am_text_puts(output, "\r\n");
}

/* ---- the whole ---- */

void
am_mail_message_write(AmText *output, const AmMailMessage *message, const AmMailbox *from,
					  const AmMailbox *reply_to, const char *domain)
{
	put_date(output, message->created_s);
	put_mailbox(output, "From", from);
	if (reply_to != NULL)
		put_mailbox(output, "Reply-To", reply_to);
	am_text_printf(output, "To: %s\r\n", message->recipient);
	put_subject(output, message->subject);
	am_text_printf(output, "Message-ID: <%s@%s>\r\n", message->id, domain);
	/* Nobody's absence note shall answer a machine (RFC 3834, section 5). */
	am_text_puts(output, "Auto-Submitted: auto-generated\r\n"
						 "X-Auto-Response-Suppress: All\r\n"
						 "MIME-Version: 1.0\r\n");
	if (message->html == NULL)
	{
		put_body(output, "text/plain", message->text);
		return;
	}
	am_text_printf(output,
				   "Content-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n"
				   "--=_%s\r\n",
				   message->id, message->id);
	put_body(output, "text/plain", message->text);
	am_text_printf(output, "--=_%s\r\n", message->id);
	put_body(output, "text/html", message->html);
	am_text_printf(output, "--=_%s--\r\n", message->id);
}
