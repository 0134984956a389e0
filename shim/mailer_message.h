/*-------------------------------------------------------------------------
 *
 * mailer_message.h
 *	  A mail as it travels: addresses, header fields, MIME parts.
 *
 * Pure: from values to bytes.  The same bytes go to a mail server and into a
 * file, and a mail that is sent again is the same to the byte, Message-ID and
 * Date included, so that a mail system can see that it has it already.
 *
 * No value can add a field or a line: whatever is not printable ASCII is encoded
 * in header fields (RFC 2047) and in bodies (quoted-printable, RFC 2045).
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_MAILER_MESSAGE_H
#define AM_MAILER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define AM_HOST_BYTES_MAX         253
#define AM_MAIL_ADDRESS_BYTES     (254 * 4 + 1) /* punycode is longer than what it stands for */
#define AM_MAIL_NAME_BYTES_MAX    127
#define AM_MAIL_ID_BYTES_MAX      36
#define AM_MAIL_MESSAGE_BYTES_MAX (4 * 1024 * 1024)

typedef struct AmMailbox
{
	char name[AM_MAIL_NAME_BYTES_MAX + 1]; /* UTF-8, "" = none */
	char address[AM_MAIL_ADDRESS_BYTES];   /* as SMTP takes it */
} AmMailbox;

typedef struct AmMailMessage
{
	const char *id;        /* of the outbox; letters, digits and dashes */
	int64_t created_s;     /* since the epoch */
	const char *recipient; /* as am_mail_address() made it */
	const char *subject;   /* UTF-8; all texts */
	const char *text;
	const char *html; /* NULL = text alone */
} AmMailMessage;

/*
 * Writes an address as SMTP takes it: the domain in ASCII (RFC 5891), the rest as
 * it is.  False for what is no address, or could be taken for more than one
 * (RFC 5321, section 4.1.2: no quoted local parts here).
 */
extern bool am_mail_address(const char *address, char *wire, size_t wire_bytes);

/* Reads "address" or "name <address>"; the name may stand in double quotes. */
extern bool am_mailbox_parse(const char *text, AmMailbox *mailbox);

/* The part of an address behind its @. */
extern const char *am_mail_domain(const char *address);

/*
 * Appends the whole message (RFC 5322), lines ending in CR LF.  reply_to may be
 * NULL.  domain is that of Message-ID.
 */
extern void am_mail_message_write(AmText *output, const AmMailMessage *message,
								  const AmMailbox *from, const AmMailbox *reply_to,
								  const char *domain);

#endif /* AM_MAILER_MESSAGE_H */
