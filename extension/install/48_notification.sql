-- Notifications: thresholds of quotas that users have reached, for a service to deliver (invariant
-- I11). quota_consume writes a row in the transaction that reaches the threshold, exactly once for
-- user, feature, period and threshold; claims with a lease deliver it at least once.
--
-- The row is written under the lock of a counter. A foreign key would lock the user after that, and a
-- deletion of the user locks the other way round; so authmeter.user_forget does what the key would.
--
-- States: queued (due at next_attempt_at), sending (claimed until then), delivered, failed.

CREATE TABLE authmeter.notification (
	id uuid PRIMARY KEY,
	user_id uuid NOT NULL,
	feature text NOT NULL,
	meter_id integer NOT NULL,
	period smallint NOT NULL,
	period_start timestamptz NOT NULL,
	threshold integer NOT NULL,
	used bigint NOT NULL,
	allowance bigint NOT NULL,
	created_at timestamptz NOT NULL,
	state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'delivered', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz NOT NULL,
	claim uuid,
	done_at timestamptz,
	error text,
	UNIQUE (user_id, feature, period, period_start, threshold)
);
CREATE INDEX notification_due_idx ON authmeter.notification (next_attempt_at)
	WHERE state IN ('queued', 'sending');
CREATE INDEX notification_done_at_idx ON authmeter.notification (done_at) WHERE done_at IS NOT NULL;
COMMENT ON TABLE authmeter.notification IS
	'Thresholds (percent of the allowance) that users reached in a period of a feature (0 hour, 1 day, 2 week, 3 month, 4 year, 5 lifetime), with the figures of that moment; claimed in the order of next_attempt_at. Written by quota_consume only; no foreign key, see authmeter.user_forget.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.notification', '');

CREATE FUNCTION authmeter.period_name(period smallint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (ARRAY['hour', 'day', 'week', 'month', 'year', 'lifetime'])[period + 1];
COMMENT ON FUNCTION authmeter.period_name(smallint) IS
	'The period that a number in quota_counter and notification stands for.';

CREATE FUNCTION authmeter.notification_claim(
	batch integer DEFAULT 10, lease interval DEFAULT '5 minutes', OUT id uuid, OUT claim uuid,
	OUT user_id uuid, OUT feature text, OUT meter text, OUT period text, OUT period_starts_at timestamptz,
	OUT threshold integer, OUT used bigint, OUT allowance bigint, OUT created_at timestamptz,
	OUT attempt integer)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	at timestamptz := authmeter.clock();
BEGIN
	IF batch IS NULL OR batch NOT BETWEEN 1 AND 100
		OR lease IS NULL OR lease NOT BETWEEN '1 second' AND '1 hour' THEN
		RAISE EXCEPTION 'batch or lease is out of range'
			USING ERRCODE = 'MA006', HINT = 'Claim 1 to 100 notifications for 1 second to 1 hour.';
	END IF;
	RETURN QUERY
	WITH due AS MATERIALIZED (
		SELECT n.id FROM authmeter.notification n
		WHERE n.state IN ('queued', 'sending') AND n.next_attempt_at <= at
		ORDER BY n.next_attempt_at, n.id LIMIT batch FOR UPDATE SKIP LOCKED),
	claimed AS (
		UPDATE authmeter.notification n SET state = 'sending', claim = gen_random_uuid(),
			attempts = n.attempts + 1, next_attempt_at = at + lease
		FROM due WHERE n.id = due.id RETURNING n.*)
	SELECT c.id, c.claim, c.user_id, c.feature, m.name, authmeter.period_name(c.period), c.period_start,
		c.threshold, c.used, c.allowance, c.created_at, c.attempts
	FROM claimed c LEFT JOIN authmeter.meter m ON m.id = c.meter_id ORDER BY c.created_at, c.id;
END
$$;
COMMENT ON FUNCTION authmeter.notification_claim(integer, interval) IS
	'Takes 1 to 100 notifications that are due for a lease of 1 second to 1 hour: nobody else gets them meanwhile, and after it they are due again unless notification_done ended the claim, so each is delivered at least once; the id tells a repeat. Call it in a transaction of its own, in READ COMMITTED; LISTEN authmeter_notification tells when there is something new. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.notification_done(id uuid, claim uuid, outcome text, error text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	at timestamptz := authmeter.clock();
	item authmeter.notification;
	result text;
BEGIN
	IF outcome IS NULL OR outcome NOT IN ('delivered', 'deferred', 'rejected') THEN
		RAISE EXCEPTION 'unknown outcome of a notification'
			USING ERRCODE = 'MA007', HINT = 'The outcomes are delivered, deferred and rejected.';
	END IF;
	SELECT * INTO item FROM authmeter.notification n WHERE n.id = notification_done.id FOR UPDATE;
	IF NOT FOUND THEN
		RETURN 'not_found';
	ELSIF item.state = 'delivered' THEN
		RETURN 'delivered';
	-- Delivered is delivered, also when the claim ran out meanwhile.
	ELSIF outcome <> 'delivered'
		AND (item.state <> 'sending' OR item.claim IS DISTINCT FROM notification_done.claim) THEN
		RETURN 'stale';
	END IF;
	result := CASE outcome WHEN 'delivered' THEN 'delivered' WHEN 'rejected' THEN 'failed' ELSE 'queued' END;
	UPDATE authmeter.notification n SET state = result, claim = NULL,
		done_at = CASE WHEN result <> 'queued' THEN at END,
		next_attempt_at = at + least(interval '30 minutes', interval '5 seconds' * 2 ^ least(item.attempts - 1, 20)),
		error = CASE WHEN result <> 'delivered' THEN left(coalesce(notification_done.error, 'no reason given'), 500) END
	WHERE n.id = notification_done.id;
	RETURN result;
END
$$;
COMMENT ON FUNCTION authmeter.notification_done(uuid, uuid, text, text) IS
	'Ends a claim. outcome: delivered (may be repeated, and counts also when the claim has run out), deferred (due again after a pause of 5 seconds that doubles with each attempt up to 30 minutes), rejected (given up). error (500 characters are kept) says why. Returns the new state (delivered, queued or failed), stale when the claim is not the notification''s any more, or not_found. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.notification_list(
	user_id uuid DEFAULT NULL, state text DEFAULT NULL, before uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS SETOF authmeter.notification
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last id as "before".';
	END IF;
	RETURN QUERY SELECT n.* FROM authmeter.notification n
		WHERE n.id < coalesce(before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
			AND (notification_list.user_id IS NULL OR n.user_id = notification_list.user_id)
			AND (notification_list.state IS NULL OR n.state = notification_list.state)
		ORDER BY n.id DESC LIMIT page_size;
END
$$;
COMMENT ON FUNCTION authmeter.notification_list(uuid, text, uuid, integer) IS
	'One page of the notifications, newest first, of one user or all, in one state or any. page_size is 1 to 1000; the next page starts before the last id of this one. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.notification_purge(older_than interval DEFAULT '90 days', rows_max integer DEFAULT 1000)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	purged bigint;
BEGIN
	IF older_than IS NULL OR older_than < '0' OR rows_max IS NULL OR rows_max NOT BETWEEN 1 AND 100000 THEN
		RAISE EXCEPTION 'age or number of notifications is out of range'
			USING ERRCODE = 'MA006', HINT = 'Give an age of 0 or more and 1 to 100000 rows.';
	END IF;
	DELETE FROM authmeter.notification d USING (
		SELECT n.id FROM authmeter.notification n WHERE n.done_at <= authmeter.clock() - older_than
		ORDER BY n.done_at LIMIT rows_max FOR UPDATE SKIP LOCKED) old
	WHERE d.id = old.id;
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END
$$;
COMMENT ON FUNCTION authmeter.notification_purge(interval, integer) IS
	'Deletes up to rows_max (1 to 100000) notifications that were delivered or given up longer than older_than ago, and returns how many. A threshold whose notification is gone is not recorded again in its period: the counter remembers it. Raises MA006 (limit_exceeded).';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'notification_claim'),
	('service', 'function', 'authmeter', 'notification_done'),
	('admin', 'function', 'authmeter', 'notification_list'),
	('admin', 'function', 'authmeter', 'notification_purge');
