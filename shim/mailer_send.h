/*-------------------------------------------------------------------------
 *
 * mailer_send.h
 *	  Handing one mail over: to a mail server, or in development to a folder.
 *
 * The verdict on a mail is not the error code of a library but what the server
 * said last, and to what (mailer_smtp.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_MAILER_SEND_H
#define AM_MAILER_SEND_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define AM_SEND_TEXT_BYTES 480 /* the longest path of a file, too */

typedef enum AmSendVerdict
{
	AM_SEND_DELIVERED, /* the server has taken responsibility */
	AM_SEND_DEFERRED,  /* not this mail, not now */
	AM_SEND_REJECTED,  /* not this mail, ever */
	AM_SEND_TROUBLE,   /* no mail at all for the time being */
	AM_SEND_STOPPED    /* broken off because the process is told to end at once */
} AmSendVerdict;

/* What is to be handed over; recipient as am_mail_address() made it. */
typedef struct AmEnvelope
{
	const char *id;
	const char *sender;
	const char *recipient;
	const char *message;
	size_t message_bytes;
} AmEnvelope;

typedef struct AmSendResult
{
	AmSendVerdict verdict;
	int code;                        /* SMTP reply, 0 = none */
	char error[AM_SEND_TEXT_BYTES];  /* for the outbox: may quote the server */
	char reason[AM_SEND_TEXT_BYTES]; /* for the log: never quotes the server */
} AmSendResult;

typedef struct AmSmtp AmSmtp;

/* Asked while a mail is on its way: shall it be broken off? */
typedef bool (*AmStopAsked)(void *state);

/* Once a process, before anything else of this header. */
extern bool am_smtp_library_begin(void);
extern void am_smtp_library_end(void);

/*
 * Prepares to talk to the server of config; connects with the first mail and
 * keeps the connection.  NULL: error says why.
 */
extern AmSmtp *am_smtp_open(const AmConfig *config, AmStopAsked stop, void *stop_state, char *error,
							size_t error_bytes);
extern void am_smtp_send(AmSmtp *smtp, const AmEnvelope *envelope, AmSendResult *result);

/* Says goodbye and frees; NULL is harmless. */
extern void am_smtp_close(AmSmtp *smtp);

/* Writes <id>.eml into the folder, whole or not at all.  result->reason is its path. */
extern void am_folder_send(const char *folder, const AmEnvelope *envelope, AmSendResult *result);

/*
 * The verdict for a reply, by the point the conversation had reached.  Pure.
 * See AmSmtpStage.
 */
typedef enum AmSmtpStage
{
	AM_STAGE_CONNECT, /* until the greeting and TLS are done */
	AM_STAGE_AUTH,
	AM_STAGE_MAIL,
	AM_STAGE_RCPT,
	AM_STAGE_DATA, /* DATA was said */
	AM_STAGE_BODY, /* 354 came: the message is on its way */
	AM_STAGE_END   /* the server has answered the message */
} AmSmtpStage;

extern AmSendVerdict am_smtp_verdict(AmSmtpStage stage, int code);

/* Where the conversation is after this command, or after this reply, both of one line. */
extern AmSmtpStage am_smtp_after_command(AmSmtpStage stage, const char *line, size_t length);
extern AmSmtpStage am_smtp_after_reply(AmSmtpStage stage, const char *line, size_t length,
									   int *code);

#endif /* AM_MAILER_SEND_H */
