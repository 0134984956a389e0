/*
 * ledger_account.h
 *
 * Accounts and their entries: the part that every kind of booking shares.
 *
 * Protocol: am_account_open locks the account's row, which serializes all bookings on it, and books
 * what has become due. Then am_account_book any number of entries, then am_account_save once. The
 * one exception is a plain spend, see ledger.c.
 */
#ifndef AM_LEDGER_ACCOUNT_H
#define AM_LEDGER_ACCOUNT_H

#include "compat.h"

#include "ledger.h"

/* A locked row of authmeter.account, and the changes not saved yet. */
typedef struct AmAccount
{
	pg_uuid_t id;
	pg_uuid_t user;
	text *unit;
	int64 balance;
	int64 held;
	int64 credit_limit;
	int64 version;
	int64 saved_version;
	bool has_grants;
	bool closed;
	TimestampTz due_at;
	TimestampTz updated_at;
	bool reschedule; /* a grant or hold changed, so has_grants and due_at must be found anew */
} AmAccount;

typedef struct AmEntry
{
	pg_uuid_t transaction;
	const char *kind;
	int64 amount;             /* added to the balance */
	int64 held_change;        /* added to what is held */
	const char *counter;      /* system account; NULL = no money moves, or peer is set */
	const pg_uuid_t *peer;    /* the other account of a transfer, or NULL */
	const pg_uuid_t *related; /* see authmeter.entry, or NULL */
	text *source;             /* of a grant, or NULL */
	text *description;
	text *reference;
	TimestampTz at; /* moved up to the account's last change, so that time never runs back */
} AmEntry;

/* The columns of authmeter.account a (alias) that am_account_read expects, in order. */
#define AM_ACCOUNT_COLUMNS                                                                  \
	"a.id, a.user_id, a.unit, a.balance, a.held, a.credit_limit, a.version, a.has_grants, " \
	"a.closed_at IS NOT NULL, a.due_at, a.updated_at"

/* The account in a row of the last result. */
extern void am_account_read(uint64 row, AmAccount *account);

/*
 * Locks the account of call's user and unit, makes it first if wanted, and books what is due at
 * now. false: call->outcome is user_unknown, unit_unknown or account_unknown.
 */
extern bool am_account_open(AmLedgerCall *call, bool make, TimestampTz now, AmAccount *account);

/* Makes the account unless it is there; false when there is no such user or unit. */
extern bool am_account_make(const pg_uuid_t *user, text *unit, TimestampTz now);

/* The refusal for a user without that account: user_unknown, unit_unknown or account_unknown. */
extern const char *am_account_missing(const pg_uuid_t *user, text *unit);

/* balance - held + credit_limit */
extern int64 am_account_available(const AmAccount *account);

/* How much more credit fits, with what grants that have not begun will bring. */
extern int64 am_account_room(const AmAccount *account);

/* Adds an entry and its other side. The caller has checked that the figures allow it. */
extern void am_account_book(AmAccount *account, const AmEntry *entry);

/* The same for an account whose row is changed already, at *entry's amount. */
extern void am_account_record(const AmAccount *account, const AmEntry *entry);

/* Writes the account's row if anything was booked. */
extern void am_account_save(AmAccount *account);

/* Sets the figures of an answer. */
extern void am_account_tell(const AmAccount *account, AmLedgerCall *call);

/* ok, with the figures and the amount moved. */
extern void am_account_done(const AmAccount *account, AmLedgerCall *call, int64 moved);

#endif
