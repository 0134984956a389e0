-- Events: usage with its own time and dimensions, for questions such as tokens by model and day.
--
-- event_record counts an event at once in the user's total (usage_counter), in the figures of its
-- minute and its day (meter_rollup; UTC), for meters of kind unique also its subject there
-- (meter_unique), and keeps the event itself if the meter says so (meter_event). Queries read the
-- figures, never the log, so their cost depends on the time asked for and not on the number of events.
-- The user's total is locked first; it orders everything that comes after.

CREATE TABLE authmeter.meter_rollup (
	user_id uuid NOT NULL,
	meter_id integer NOT NULL,
	grain smallint NOT NULL,
	bucket timestamptz NOT NULL,
	dimensions jsonb NOT NULL,
	events bigint NOT NULL,
	sum bigint NOT NULL,
	max bigint NOT NULL,
	latest bigint NOT NULL,
	latest_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, meter_id, grain, bucket, dimensions)
) WITH (fillfactor = 80);
CREATE INDEX meter_rollup_bucket_idx ON authmeter.meter_rollup (meter_id, grain, bucket);
COMMENT ON TABLE authmeter.meter_rollup IS
	'Figures of events for each user, meter and combination of dimensions, by the minute (grain 0) and the day (grain 1) of the event''s own time, UTC. sum is kept by meters of kind sum only, 0 for others.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.meter_rollup', '');

CREATE TABLE authmeter.meter_unique (
	user_id uuid NOT NULL,
	meter_id integer NOT NULL,
	grain smallint NOT NULL,
	bucket timestamptz NOT NULL,
	dimensions jsonb NOT NULL,
	subject_hash bytea NOT NULL,
	PRIMARY KEY (user_id, meter_id, grain, bucket, dimensions, subject_hash)
);
CREATE INDEX meter_unique_bucket_idx ON authmeter.meter_unique (meter_id, grain, bucket);
COMMENT ON TABLE authmeter.meter_unique IS
	'Subjects that meters of kind unique have seen, by minute and day as in meter_rollup: the first 16 bytes of the SHA-256 of each.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.meter_unique', '');

CREATE TABLE authmeter.meter_event (
	user_id uuid NOT NULL,
	event_at timestamptz NOT NULL,
	id uuid NOT NULL,
	meter_id integer NOT NULL,
	ingested_at timestamptz NOT NULL,
	value bigint NOT NULL,
	subject text,
	dimensions jsonb NOT NULL
) PARTITION BY RANGE (event_at);
COMMENT ON TABLE authmeter.meter_event IS
	'The events of meters that keep a log, partitioned by the month of the event''s own time (event_partition_make); ingested_at is when they were recorded.';
-- Each partition has its own key: one of the parent would be made when a dump attaches a partition,
-- and then a second time from the dump.
CREATE TABLE authmeter.meter_event_other PARTITION OF authmeter.meter_event DEFAULT;
ALTER TABLE authmeter.meter_event_other ADD PRIMARY KEY (user_id, event_at, id);
CREATE INDEX meter_event_other_event_at_idx ON authmeter.meter_event_other USING brin (event_at);
COMMENT ON TABLE authmeter.meter_event_other IS
	'Events of months that have no partition of their own.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.meter_event_other', '');

CREATE FUNCTION authmeter.event_meter(
	meter text, value bigint, event_at timestamptz, dimensions jsonb, subject text, ingested_at timestamptz,
	OUT id integer, OUT kind text, OUT event_log boolean, OUT problem text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	-- No SET, so that it becomes part of the statement that calls it; names are bound already.
	SELECT m.id, m.kind, m.event_log, CASE
		WHEN event_meter.value IS NULL OR (m.kind = 'sum' AND event_meter.value < 1) THEN 'amount_invalid'
		WHEN event_at > ingested_at + interval '5 minutes' OR NOT isfinite(event_at)
			OR event_at < ingested_at - least(m.retention, interval '10 years') THEN 'time_invalid'
		WHEN m.kind = 'unique' AND (subject IS NULL OR octet_length(subject) NOT BETWEEN 1 AND 255)
			OR octet_length(subject) > 255 THEN 'subject_invalid'
		WHEN jsonb_typeof(event_meter.dimensions) IS DISTINCT FROM 'object'
			OR EXISTS (SELECT FROM jsonb_each(CASE jsonb_typeof(event_meter.dimensions) WHEN 'object'
					THEN event_meter.dimensions ELSE '{}' END) d
				WHERE d.key <> ALL (m.dimensions) OR jsonb_typeof(d.value) <> 'string'
					OR octet_length(d.value #>> '{}') > 128) THEN 'dimension_invalid' END
	FROM authmeter.meter m WHERE m.name = event_meter.meter;
END;
COMMENT ON FUNCTION authmeter.event_meter(text, bigint, timestamptz, jsonb, text, timestamptz) IS
	'The meter of an event, and the outcome of event_record when the event breaks one of its rules; no row: no such meter. For authmeter''s own functions.';

CREATE FUNCTION authmeter.event_record(
	user_id uuid, meter text, value bigint DEFAULT 1, event_at timestamptz DEFAULT NULL,
	dimensions jsonb DEFAULT '{}', subject text DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS authmeter.usage_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_event_record';
COMMENT ON FUNCTION authmeter.event_record(uuid, text, bigint, timestamptz, jsonb, text, text) IS
	'Records an event of a meter in the caller''s transaction. value: kind sum: 1 or more; max and latest: any; count and unique do not read it. event_at: when it happened, up to 5 minutes ahead and back to the meter''s retention, at most 10 years (NULL: now); a late event counts in its own minute, day and month. dimensions: a flat object of strings (up to 128 bytes), its names among those of the meter. subject (1 to 255 bytes): what kind unique counts. Answer as of usage_add, with the user''s total: of values for kind sum, else of events; crossed are the thresholds of that total. Outcomes: ok, amount_invalid, time_invalid, subject_invalid, dimension_invalid, overflow, meter_unknown, user_unknown, key_invalid, key_conflict.';

-- ---- queries -------------------------------------------------------------------------------------

CREATE FUNCTION authmeter.event_dimensions(dimensions jsonb, names text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN pg_catalog.cardinality(names) OPERATOR(pg_catalog.=) 0 THEN '{}'::jsonb
	ELSE (SELECT coalesce(pg_catalog.jsonb_object_agg(n, dimensions OPERATOR(pg_catalog.->) n), '{}')
		FROM pg_catalog.unnest(names) n WHERE dimensions OPERATOR(pg_catalog.?) n) END;
COMMENT ON FUNCTION authmeter.event_dimensions(jsonb, text[]) IS
	'Those of an event''s dimensions that are named. For authmeter''s own functions.';

CREATE FUNCTION authmeter.event_query(
	meter text, from_at timestamptz, to_at timestamptz, bucket text DEFAULT 'day',
	user_id uuid DEFAULT NULL, group_by text[] DEFAULT '{}', filter jsonb DEFAULT '{}',
	OUT bucket_at timestamptz, OUT dimensions jsonb, OUT value numeric, OUT events numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	m authmeter.meter;
	fine smallint := CASE WHEN bucket IN ('minute', 'hour') THEN 0 ELSE 1 END;
	step interval;
	first_at timestamptz;
	end_at timestamptz;
BEGIN
	SELECT * INTO m FROM authmeter.meter x WHERE x.name = event_query.meter;
	IF NOT FOUND OR (bucket IN ('minute', 'hour', 'day', 'week', 'month')) IS NOT TRUE
		OR from_at IS NULL OR to_at IS NULL OR from_at > to_at OR NOT isfinite(from_at) OR NOT isfinite(to_at)
		OR group_by IS NULL OR NOT group_by <@ m.dimensions OR jsonb_typeof(filter) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'invalid query of a meter' USING ERRCODE = 'MA007',
			HINT = 'Name a meter, a time from and to, a bucket (minute, hour, day, week, month), dimensions of the meter to group by, and an object of dimensions to filter by.';
	END IF;
	step := ('1 ' || bucket)::interval;
	IF to_at - from_at > step * 10000 THEN
		RAISE EXCEPTION 'query of a meter has too many buckets'
			USING ERRCODE = 'MA006', HINT = 'Ask for up to 10000 buckets.';
	END IF;
	first_at := date_trunc(bucket, from_at, 'UTC');
	end_at := date_trunc(bucket, to_at, 'UTC');
	IF end_at < to_at THEN
		end_at := (end_at AT TIME ZONE 'UTC' + step) AT TIME ZONE 'UTC';
	END IF;
	IF m.kind = 'unique' THEN
		RETURN QUERY
		SELECT date_trunc(event_query.bucket, u.bucket, 'UTC'),
			authmeter.event_dimensions(u.dimensions, group_by), count(DISTINCT u.subject_hash)::numeric, NULL::numeric
		FROM authmeter.meter_unique u
		WHERE u.meter_id = m.id AND u.grain = fine AND u.bucket >= first_at AND u.bucket < end_at
			AND (event_query.user_id IS NULL OR u.user_id = event_query.user_id) AND u.dimensions @> filter
		GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100000;
	ELSE
		RETURN QUERY
		SELECT date_trunc(event_query.bucket, r.bucket, 'UTC'),
			authmeter.event_dimensions(r.dimensions, group_by),
			CASE m.kind WHEN 'sum' THEN sum(r.sum) WHEN 'count' THEN sum(r.events) WHEN 'max' THEN max(r.max)::numeric
				ELSE (array_agg(r.latest ORDER BY r.latest_at DESC))[1]::numeric END, sum(r.events)
		FROM authmeter.meter_rollup r
		WHERE r.meter_id = m.id AND r.grain = fine AND r.bucket >= first_at AND r.bucket < end_at
			AND (event_query.user_id IS NULL OR r.user_id = event_query.user_id) AND r.dimensions @> filter
		GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100000;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter.event_query(text, timestamptz, timestamptz, text, uuid, text[], jsonb) IS
	'What a meter measured, by buckets of event time in UTC (minute, hour, day, week from Monday, month): one row for each bucket that has events and each combination of the dimensions of group_by, in order, at most 100000. from_at is taken down and to_at (excluded) up to whole buckets, 10000 of them at most. user_id NULL: all users. filter: only events with these dimensions. value is the sum, count, max, number of unique subjects or latest value, by the meter''s kind; events their number (NULL for unique). Raises MA006 (limit_exceeded), MA007 (argument_invalid).';

CREATE FUNCTION authmeter.event_list(
	user_id uuid, meter text DEFAULT NULL, before timestamptz DEFAULT 'infinity', page_size integer DEFAULT 100,
	before_id uuid DEFAULT NULL, OUT id uuid, OUT meter_name text, OUT event_at timestamptz,
	OUT ingested_at timestamptz, OUT value bigint, OUT subject text, OUT dimensions jsonb)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last row''s time and id.';
	END IF;
	RETURN QUERY SELECT e.id, m.name, e.event_at, e.ingested_at, e.value, e.subject, e.dimensions
		FROM authmeter.meter_event e JOIN authmeter.meter m ON m.id = e.meter_id
		WHERE e.user_id = event_list.user_id AND (event_list.meter IS NULL OR m.name = event_list.meter)
			AND (e.event_at, e.id) < (before, coalesce(before_id, '00000000-0000-0000-0000-000000000000'))
		ORDER BY e.event_at DESC, e.id DESC LIMIT page_size;
END
$$;
COMMENT ON FUNCTION authmeter.event_list(uuid, text, timestamptz, integer, uuid) IS
	'One page of a user''s logged events, of one meter or all, latest event time first. page_size is 1 to 1000; the next page comes before the time and id of the last row. Raises MA006 (limit_exceeded).';

-- ---- housekeeping --------------------------------------------------------------------------------

CREATE FUNCTION authmeter.event_purge(rows_max integer DEFAULT 10000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m record;
	left_over bigint := rows_max;
	purged bigint;
BEGIN
	IF rows_max IS NULL OR rows_max NOT BETWEEN 1 AND 1000000 THEN
		RAISE EXCEPTION 'number of events to purge is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000000 rows.';
	END IF;
	FOR m IN SELECT x.id, authmeter.clock() - x.retention AS old FROM authmeter.meter x
		WHERE x.retention IS NOT NULL ORDER BY x.id
	LOOP
		DELETE FROM authmeter.meter_event d USING (SELECT e.user_id, e.event_at, e.id FROM authmeter.meter_event e
			WHERE e.meter_id = m.id AND e.event_at < m.old LIMIT left_over FOR UPDATE SKIP LOCKED) o
		WHERE d.user_id = o.user_id AND d.event_at = o.event_at AND d.id = o.id;
		GET DIAGNOSTICS purged = ROW_COUNT;
		left_over := left_over - purged;
		DELETE FROM authmeter.meter_rollup d USING (SELECT r.ctid FROM authmeter.meter_rollup r
			WHERE r.meter_id = m.id AND r.grain = 0 AND r.bucket < m.old - interval '1 minute' LIMIT left_over
			FOR UPDATE SKIP LOCKED) o WHERE d.ctid = o.ctid;
		GET DIAGNOSTICS purged = ROW_COUNT;
		left_over := left_over - purged;
		DELETE FROM authmeter.meter_unique d USING (SELECT u.ctid FROM authmeter.meter_unique u
			WHERE u.meter_id = m.id AND u.grain = 0 AND u.bucket < m.old - interval '1 minute' LIMIT left_over
			FOR UPDATE SKIP LOCKED) o WHERE d.ctid = o.ctid;
		GET DIAGNOSTICS purged = ROW_COUNT;
		left_over := left_over - purged;
	END LOOP;
	RETURN rows_max - left_over;
END
$$;
COMMENT ON FUNCTION authmeter.event_purge(integer) IS
	'Deletes up to rows_max (1 to 1000000) events and figures by the minute that are past their meter''s retention, and returns how many; figures by the day stay. Call it until it returns less than rows_max. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.event_partition_make(month date) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	first timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	next timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
	name text := 'meter_event_' || to_char(month, 'YYYYMM');
BEGIN
	IF month IS NULL OR month NOT BETWEEN '1970-01-01' AND '8999-12-31' THEN
		RAISE EXCEPTION 'month is out of range'
			USING ERRCODE = 'MA007', HINT = 'Give a date of the years 1970 to 8999.';
	END IF;
	LOCK TABLE authmeter.meter_event IN SHARE UPDATE EXCLUSIVE MODE;
	IF to_regclass('authmeter.' || name) IS NOT NULL THEN
		RETURN 'exists';
	END IF;
	LOCK TABLE authmeter.meter_event_other IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('CREATE TABLE authmeter.%I (LIKE authmeter.meter_event_other INCLUDING ALL)', name);
	EXECUTE format('WITH moved AS (DELETE FROM authmeter.meter_event_other
		WHERE event_at >= %L AND event_at < %L RETURNING *) INSERT INTO authmeter.%I SELECT * FROM moved',
		first, next, name);
	EXECUTE format('ALTER TABLE authmeter.meter_event ATTACH PARTITION authmeter.%I FOR VALUES FROM (%L) TO (%L)',
		name, first, next);
	RETURN 'created';
END
$$;
COMMENT ON FUNCTION authmeter.event_partition_make(date) IS
	'Makes the partition of the event log for the month of a date (UTC), and moves what came before it there. Events of a month without one are kept all the same, so do it when the log grows large, best before the month begins. Returns created or exists. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.event_partition_drop(month date) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	next timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
	name text := 'meter_event_' || to_char(month, 'YYYYMM');
	needed boolean;
BEGIN
	IF month IS NULL OR to_regclass('authmeter.' || name) IS NULL THEN
		RETURN 'not_found';
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM authmeter.meter m
		WHERE coalesce(authmeter.clock() - m.retention, ''-infinity'') < $1
			AND EXISTS (SELECT FROM authmeter.%I e WHERE e.meter_id = m.id))', name) INTO needed USING next;
	IF needed THEN
		RETURN 'needed';
	END IF;
	EXECUTE format('DROP TABLE authmeter.%I', name);
	RETURN 'dropped';
END
$$;
COMMENT ON FUNCTION authmeter.event_partition_drop(date) IS
	'Drops the partition of the event log of a month: the quick way to remove events that are all past their meter''s retention. Returns dropped, needed (an event in it is not: nothing changes) or not_found.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'event_record'),
	('service', 'function', 'authmeter', 'event_query'),
	('service', 'function', 'authmeter', 'event_list'),
	('reader', 'function', 'authmeter', 'event_query'),
	('admin', 'function', 'authmeter', 'event_purge'),
	('admin', 'function', 'authmeter', 'event_partition_make'),
	('admin', 'function', 'authmeter', 'event_partition_drop');
