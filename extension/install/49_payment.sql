-- Signatures of payment providers, and the secrets they are made with.

CREATE TABLE authmeter.payment_provider (
	name text PRIMARY KEY,
	variable text NOT NULL UNIQUE
);
COMMENT ON TABLE authmeter.payment_provider IS
	'What can be verified, and the deployment variable that may bring the first secret for it. Part of the extension, not of the data.';
INSERT INTO authmeter.payment_provider VALUES
	('stripe', 'STRIPE_WEBHOOK_SECRET'),
	('razorpay', 'RAZORPAY_WEBHOOK_SECRET'),
	('razorpay-checkout', 'RAZORPAY_KEY_SECRET');

CREATE TABLE authmeter.payment_secret (
	api text NOT NULL,
	provider text NOT NULL,
	id uuid NOT NULL,
	sealed bytea NOT NULL,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (api, provider, id)
);
COMMENT ON TABLE authmeter.payment_secret IS
	'Secrets under which payment providers sign, sealed under the master key; all of one API and provider count, beside the one of authmeter.deployment_secret.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.payment_secret', '');

CREATE FUNCTION authmeter.payment_provider_check(api text, provider text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF api ~ '^[a-z0-9][a-z0-9_-]{0,39}$' IS NOT TRUE
		OR NOT EXISTS (SELECT FROM authmeter.payment_provider p WHERE p.name = payment_provider_check.provider) THEN
		RAISE EXCEPTION 'invalid API or payment provider' USING ERRCODE = 'MA061',
			HINT = 'Name an API, such as autoverse, and stripe, razorpay or razorpay-checkout.';
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter.payment_provider_check(text, text) IS
	'Raises MA061 (payment_invalid) unless both are possible names. For authmeter''s own functions.';

CREATE FUNCTION authmeter.payment_secret_add(api text, provider text, secret text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	added uuid := authmeter.id_new(NULL);
BEGIN
	PERFORM authmeter.payment_provider_check(api, provider);
	IF secret IS NULL OR octet_length(secret) NOT BETWEEN 16 AND 256 OR secret ~ '[^!-~]' THEN
		RAISE EXCEPTION 'invalid secret of a payment provider' USING ERRCODE = 'MA061',
			HINT = 'A secret has 16 to 256 printable ASCII characters; give it whole, as the provider shows it (whsec_...).';
	END IF;
	LOCK TABLE authmeter.payment_secret IN SHARE ROW EXCLUSIVE MODE;
	IF (SELECT count(*) FROM authmeter.payment_secret s WHERE s.api = payment_secret_add.api
			AND s.provider = payment_secret_add.provider) >= 8 THEN
		RAISE EXCEPTION 'too many secrets of a payment provider' USING ERRCODE = 'MA006',
			HINT = 'There may be 8; drop those that are out of use with authmeter.payment_secret_drop.';
	END IF;
	INSERT INTO authmeter.payment_secret
	VALUES (api, provider, added,
		authmeter.secret_seal('payment', api, concat(provider, '/', added), secret),
		authmeter.clock());
	PERFORM authmeter.audit_append('payment_secret_add', NULL, 'added',
		detail => jsonb_build_object('api', api, 'provider', provider, 'secret_id', added));
	RETURN added;
END
$$;
COMMENT ON FUNCTION authmeter.payment_secret_add(text, text, text) IS
	'Adds a secret (16 to 256 printable ASCII characters; pass it by bind parameter) under which a provider signs for an API, beside those that are there, and returns its id. provider: stripe or razorpay (secret of the webhook endpoint) or razorpay-checkout (the key secret). To replace a secret: add the new one, change it at the provider, wait until its retries have ended, drop the old one. Sealed under the master key; audited without the secret. Raises MA061 (payment_invalid), MA006 (limit_exceeded) beyond 8, MA010 and MA011 (master key).';

CREATE FUNCTION authmeter.payment_secret_drop(api text, provider text, secret_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF secret_id IS NULL THEN
		DELETE FROM authmeter.deployment_secret d USING authmeter.payment_provider p
		WHERE d.api = payment_secret_drop.api AND p.name = payment_secret_drop.provider AND d.name = p.variable;
	ELSE
		DELETE FROM authmeter.payment_secret s WHERE s.api = payment_secret_drop.api
			AND s.provider = payment_secret_drop.provider AND s.id = payment_secret_drop.secret_id;
	END IF;
	IF NOT FOUND THEN
		RETURN 'not_found';
	END IF;
	PERFORM authmeter.audit_append('payment_secret_drop', NULL, 'dropped',
		detail => jsonb_build_object('api', api, 'provider', provider, 'secret_id', secret_id));
	RETURN 'dropped';
END
$$;
COMMENT ON FUNCTION authmeter.payment_secret_drop(text, text, uuid) IS
	'Removes a secret, in force from the commit on: dropped or not_found. NULL as id removes the one that the deployment brought; while its variable is still set, the next start brings it back. Audited.';

CREATE FUNCTION authmeter.payment_secret_list()
RETURNS TABLE (api text, provider text, secret_id uuid, source text, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.api, s.provider, s.id, 'added', s.created_at FROM authmeter.payment_secret s
	UNION ALL
	SELECT d.api, p.name, NULL, 'deployment', d.created_at
	FROM authmeter.deployment_secret d JOIN authmeter.payment_provider p ON p.variable = d.name
	ORDER BY 1, 2, 5, 3;
END;
COMMENT ON FUNCTION authmeter.payment_secret_list() IS
	'Which secrets of payment providers there are, never what they are; source: added, or deployment (its id is NULL).';

CREATE FUNCTION authmeter.payment_enabled(api text, provider text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM authmeter.payment_secret_list() l
		WHERE l.api = payment_enabled.api AND l.provider = payment_enabled.provider);
END;
COMMENT ON FUNCTION authmeter.payment_enabled(text, text) IS
	'Whether there is a secret with which this provider''s signatures for the API could be verified.';

CREATE FUNCTION authmeter.payment_event_verify(
	api text, provider text, body bytea, header text, tolerance interval DEFAULT '5 minutes',
	OUT outcome text, OUT signed_at timestamptz)
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_payment_event_verify';
COMMENT ON FUNCTION authmeter.payment_event_verify(text, text, bytea, text, interval) IS
	'Whether a webhook''s body (the very bytes that arrived, up to 1 MiB) was signed by the provider for this API. provider stripe: header is Stripe-Signature (t=...,v1=...; any v1 under any secret counts, other schemes prove nothing), signed no longer ago and no later than tolerance (0 to 1 day) from now; razorpay: header is X-Razorpay-Signature, and tolerance means nothing, because no time is signed. outcome: ok; malformed (also NULL or too long); signature_invalid; expired; not_yet_valid; no_secret (none is stored). signed_at: the time that Stripe signed, if ok. Compared in constant time. It stops no replay: record the event''s id, as authmeter.payment_event_take does. Raises MA061 (payment_invalid: provider or tolerance), MA010 to MA012 (master key).';

CREATE FUNCTION authmeter.payment_checkout_verify(
	api text, order_id text, payment_id text, signature text)
RETURNS text
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_payment_checkout_verify';
COMMENT ON FUNCTION authmeter.payment_checkout_verify(text, text, text, text) IS
	'Whether a Razorpay checkout is paid: signature must be the lower-case hexadecimal HMAC-SHA-256 of order_id|payment_id under a secret of provider razorpay-checkout. Give the order''s id that was stored, never one that came with the payment. Returns ok, malformed (an id of other than 1 to 64 letters, digits, _ and -, or no 64 digits), signature_invalid or no_secret. Raises MA061 (payment_invalid: api NULL), MA010 to MA012 (master key).';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'payment_secret_add'),
	('admin', 'function', 'authmeter', 'payment_secret_drop'),
	('admin', 'function', 'authmeter', 'payment_secret_list'),
	('service', 'function', 'authmeter', 'payment_enabled'),
	('service', 'function', 'authmeter', 'payment_event_verify'),
	('service', 'function', 'authmeter', 'payment_checkout_verify');
