/*
 * audit_chain.h
 *
 * The chain over the audit trail: link n is the HMAC-SHA256, under a key derived from the master
 * key, of link n - 1, n, and every column of an event. Events are chained after their commit, in
 * batches, so that appending one stays free of any lock or order.
 *
 * Between audit_chain.c (form of a link, the head, making links), audit_verify.c and audit_purge.c.
 */
#ifndef AM_AUDIT_CHAIN_H
#define AM_AUDIT_CHAIN_H

#include "compat.h"

#include "crypto/hash.h"
#include "spi.h"
#include "utils/date.h"

/* Links made, checked or removed by one statement. */
#define AM_AUDIT_BATCH 1000

/* Links that one call may be asked to make or remove. */
#define AM_AUDIT_ROWS_MAX 100000

/* Columns of an event in a statement that reads it as e, in the order of a link. */
#define AM_AUDIT_EVENT_COLUMNS \
	"e.id, e.at, e.action, e.actor, e.user_id, e.outcome, e.address, e.request_id, e.detail"
#define AM_AUDIT_COLUMNS 9

/* A place in the chain; seq 0 and a hash of zeros is its beginning. */
typedef struct AmAuditLink
{
	int64 seq;
	uint8 hash[AM_SHA256_BYTES];
} AmAuditLink;

/* What a purge leaves of a month. */
typedef struct AmAuditCheckpoint
{
	DateADT month;    /* its first day */
	AmAuditLink last; /* last link removed */
	int64 events;     /* removed with this month */
	uint32 key_version;
	uint8 mac[AM_SHA256_BYTES]; /* over the above and the mac of the month before */
} AmAuditCheckpoint;

typedef enum AmAuditHeadState
{
	AM_AUDIT_HEAD_ABSENT,
	AM_AUDIT_HEAD_GOOD,
	AM_AUDIT_HEAD_FORGED,     /* not made by us under this master key */
	AM_AUDIT_HEAD_UNKNOWN_KEY /* made under a version that the master key file lacks */
} AmAuditHeadState;

/*
 * The link that follows previous: hash of event number seq, whose columns begin at `column` of
 * `row` in the last result. Raises AM_SEAL_BROKEN when the master key file lacks the version.
 */
extern void am_audit_link(uint32 key_version, const AmAuditLink *previous, uint64 row, int column,
						  AmAuditLink *link);

/* The mac that a checkpoint must have after one whose mac is `previous` (NULL = the first). */
extern void am_audit_checkpoint_mac(const AmAuditCheckpoint *checkpoint, const uint8 *previous,
									uint8 mac[AM_SHA256_BYTES]);

/* The hash in a bytea column of the last result; false when it has another length. */
extern bool am_audit_hash_read(uint64 row, int column, uint8 hash[AM_SHA256_BYTES]);

/* The head: the place of the newest link. SPI is connected. */
extern AmAuditHeadState am_audit_head_read(AmAuditLink *head);

/*
 * The same locked until the end of the transaction: who has it may extend the chain or purge. False
 * when another transaction has it. Raises AM_AUDIT_BROKEN when the head is not good, unless
 * repair is set: then it is made anew from the newest link there is. SPI is connected.
 */
extern bool am_audit_head_lock(bool repair, AmAuditLink *head);

/* am_spi_run for a statement that changes the append-only tables. */
extern uint64 am_audit_write(AmPlan *plan, Datum *values, const char *nulls);

/*
 * Chains up to rows_max events that are not yet chained, oldest first, and returns their number; 0
 * when another transaction does it. Raises AM_AUDIT_BROKEN, and what master_key.h says.
 */
extern int64 am_audit_chain_extend(int64 rows_max, bool repair);

/*
 * Removes up to rows_max events of whole months past authmeter.audit_retention_months with their
 * links, and returns their number. What does not verify is not removed unless unverified is set:
 * raises AM_AUDIT_BROKEN when that is the oldest.
 */
extern int64 am_audit_purge(int64 rows_max, bool unverified);

/* The number of links that an argument asks for; raises AM_LIMIT_EXCEEDED. */
extern int64 am_audit_rows_argument(FunctionCallInfo fcinfo, int number);

#endif
