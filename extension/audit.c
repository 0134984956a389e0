/*
 * audit.c
 *
 * Appends to authmeter.audit_event. Rows are independent of each other: no counter, lock or order
 * is shared, so the trail is no bottleneck; they are chained afterwards (audit_chain.c), to which
 * end the id of each is noted in authmeter.audit_pending. Nobody may change or remove them; the
 * functions append as the owner of the extension.
 */
#include "compat.h"

#include "mb/pg_wchar.h"

#include "audit.h"
#include "clock.h"
#include "core/net.h"
#include "id.h"
#include "spi.h"

#define EVENT_COLUMNS 9

PG_FUNCTION_INFO_V1(authmeter_audit_append);

static AmPlan append_plan = {
	"WITH appended AS (INSERT INTO authmeter.audit_event "
	"(id, at, action, actor, user_id, outcome, address, request_id, detail) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id) "
	"INSERT INTO authmeter.audit_pending (event_id) SELECT id FROM appended",
	EVENT_COLUMNS,
	{UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID},
	NULL};

/* The columns of one row while it is put together; 'n' marks a null as SPI wants it. */
typedef struct EventRow
{
	Datum values[EVENT_COLUMNS];
	char nulls[EVENT_COLUMNS + 1];
	int count;
} EventRow;

static void
put(EventRow *row, Datum value)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = ' ';
}

static void
put_null(EventRow *row)
{
	row->values[row->count] = (Datum) 0;
	row->nulls[row->count++] = 'n';
}

static void
put_text(EventRow *row, const char *value)
{
	if (value != NULL)
		put(row, CStringGetTextDatum(value));
	else
		put_null(row);
}

/* In its one canonical spelling, so that an administrator finds all events of an address. */
static void
put_address(EventRow *row, const char *address)
{
	amc_net_address parsed;
	char canonical[AMC_NET_TEXT_BYTES];

	if (address == NULL || !amc_net_parse(address, strlen(address), &parsed))
	{
		put_null(row);
		return;
	}
	amc_net_format(&parsed, canonical);
	put_text(row, canonical);
}

static void
put_request_id(EventRow *row, const char *request_id)
{
	int len;

	if (request_id == NULL)
	{
		put_null(row);
		return;
	}
	len = (int) strnlen(request_id, AM_AUDIT_REQUEST_ID_BYTES_MAX + MAX_MULTIBYTE_CHAR_LEN);
	len = pg_mbcliplen(request_id, len, AM_AUDIT_REQUEST_ID_BYTES_MAX);
	put(row, PointerGetDatum(cstring_to_text_with_len(request_id, len)));
}

/* The role that logged in: inside our functions current_user is always the owner. */
static const char *
actor_name(void)
{
	const char *name = GetUserNameFromId(GetSessionUserId(), true);

	return name != NULL ? name : "(dropped role)";
}

void
am_audit_append(const AmAuditEvent *event)
{
	EventRow row = {.count = 0};
	pg_uuid_t id = am_id_new(am_id_partition(event->user_id));

	put(&row, UUIDPGetDatum(&id));
	put(&row, TimestampTzGetDatum(am_clock_now()));
	put_text(&row, event->action);
	put_text(&row, actor_name());
	if (event->user_id != NULL)
		put(&row, UUIDPGetDatum(event->user_id));
	else
		put_null(&row);
	put_text(&row, event->outcome);
	put_address(&row, event->address);
	put_request_id(&row, event->request_id);
	if (event->detail != NULL)
		put(&row, JsonbPGetDatum(event->detail));
	else
		put_null(&row);
	Assert(row.count == EVENT_COLUMNS);

	am_spi_begin();
	am_spi_run(&append_plan, row.values, row.nulls, 0);
	am_spi_end();
}

static JsonbValue
string_value(const char *text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = pstrdup(text);
	value.val.string.len = (int) strlen(text);
	return value;
}

Jsonb *
am_audit_detail(const AmAuditPair *pairs, int count)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;
	int i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < count; i++)
	{
		JsonbValue item = string_value(pairs[i].name);

		pushJsonbValue(&state, WJB_KEY, &item);
		if (pairs[i].value != NULL)
			item = string_value(pairs[i].value);
		else
			item.type = jbvNull;
		pushJsonbValue(&state, WJB_VALUE, &item);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/* authmeter.audit_append(...) is for functions of authmeter that are written in PL/pgSQL. */
Datum
authmeter_audit_append(PG_FUNCTION_ARGS)
{
	AmAuditEvent event = {0};

	event.action = text_argument(fcinfo, 0);
	event.user_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_UUID_P(1);
	event.outcome = text_argument(fcinfo, 2);
	event.address = text_argument(fcinfo, 3);
	event.request_id = text_argument(fcinfo, 4);
	event.detail = PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5);
	if (event.action == NULL || event.outcome == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("action and outcome of an audit event must not be null"));
	am_audit_append(&event);
	PG_RETURN_VOID();
}
