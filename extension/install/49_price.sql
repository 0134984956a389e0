-- Prices: books of rows that never change, each in force from its time until the next one begins.

CREATE TABLE authmeter.price_book (
	name text PRIMARY KEY CHECK (name OPERATOR(pg_catalog.~) '^[a-z0-9][a-z0-9._-]{0,62}$'),
	unit text NOT NULL,
	created_at timestamptz NOT NULL
);
COMMENT ON TABLE authmeter.price_book IS
	'Price lists, each in one unit of the ledger. A book never changes its unit.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.price_book', '');

CREATE TABLE authmeter.price_table (
	book text COLLATE "C" NOT NULL REFERENCES authmeter.price_book (name),
	item text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	valid_from timestamptz NOT NULL,
	price bigint CHECK (price BETWEEN 0 AND 1000000000000000),
	per bigint NOT NULL CHECK (per IN (1, 1000, 1000000)),
	created_at timestamptz NOT NULL,
	created_by name NOT NULL,
	PRIMARY KEY (book, item, kind, valid_from)
);
COMMENT ON TABLE authmeter.price_table IS
	'Prices in millionths of a minor unit of the book''s unit, for per pieces: 1.5 credits (scale 2) a call is 150000000 per 1, 3 credits a million tokens is 300000000 per 1000000. item: an operation, or a provider and model, or * for all that have no price of their own; kind: call, or a kind of token such as input, output, cached_read, cached_write. In force from valid_from until the next row of its key; price NULL: not to be had from then on. Rows are added, never changed.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.price_table', '');

CREATE FUNCTION authmeter.price_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE EXCEPTION 'rows of table "%" are never changed', TG_TABLE_NAME
		USING ERRCODE = 'MA062', HINT = 'Let a new price begin with authmeter.price_set.';
END
$$;
COMMENT ON FUNCTION authmeter.price_fixed() IS
	'Trigger of the price tables: raises MA062 (price_fixed).';
CREATE TRIGGER price_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.price_book
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.price_fixed();
CREATE TRIGGER price_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.price_table
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.price_fixed();

CREATE FUNCTION authmeter.price_book_create(name text, unit text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	there text;
BEGIN
	IF name ~ '^[a-z0-9][a-z0-9._-]{0,62}$' IS NOT TRUE OR unit IS NULL THEN
		RAISE EXCEPTION 'invalid price book' USING ERRCODE = 'MA060',
			HINT = 'A name has 1 to 63 characters a-z 0-9 . _ - and begins with a letter or digit; the unit is one of the ledger.';
	END IF;
	IF NOT EXISTS (SELECT FROM authmeter.unit u WHERE u.name = price_book_create.unit) THEN
		RETURN 'unit_unknown';
	END IF;
	INSERT INTO authmeter.price_book VALUES (name, unit, authmeter.clock()) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		PERFORM authmeter.audit_append('price_book_create', NULL, 'created',
			detail => jsonb_build_object('book', name, 'unit', unit));
		RETURN 'created';
	END IF;
	SELECT b.unit INTO there FROM authmeter.price_book b WHERE b.name = price_book_create.name;
	RETURN CASE WHEN there = unit THEN 'exists' ELSE 'differs' END;
END
$$;
COMMENT ON FUNCTION authmeter.price_book_create(text, text) IS
	'Creates a price list in a unit of the ledger. Returns created, exists, differs (it exists with another unit) or unit_unknown. Audited. Raises MA060 (price_invalid).';

CREATE FUNCTION authmeter.price_set(
	book text, item text, kind text, price bigint, per bigint DEFAULT 1,
	valid_from timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	now timestamptz := authmeter.clock();
	start timestamptz := coalesce(valid_from, now);
BEGIN
	IF item ~ '^([A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}|[*])$' IS NOT TRUE
		OR kind ~ '^[a-z][a-z0-9_]{0,31}$' IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid item or kind of a price' USING ERRCODE = 'MA060',
			HINT = 'An item has 1 to 128 characters A-Z a-z 0-9 . _ : / @ + - beginning with a letter or digit, or is *; a kind has 1 to 32 characters a-z 0-9 _ beginning with a letter.';
	END IF;
	IF price NOT BETWEEN 0 AND 1000000000000000 OR (per IN (1, 1000, 1000000)) IS NOT TRUE THEN
		RAISE EXCEPTION 'price is out of range' USING ERRCODE = 'MA060',
			HINT = 'A price is 0 to 10^15 millionths of a minor unit, or NULL for none, per 1, 1000 or 1000000 pieces.';
	END IF;
	IF start < now OR start > now + interval '10 years' THEN
		RAISE EXCEPTION 'a price cannot begin in the past' USING ERRCODE = 'MA060',
			HINT = 'Give a time within the next 10 years, or NULL for now. What was charged already is corrected in the ledger.';
	END IF;
	IF NOT EXISTS (SELECT FROM authmeter.price_book b WHERE b.name = price_set.book) THEN
		RETURN 'book_unknown';
	END IF;
	INSERT INTO authmeter.price_table
	VALUES (book, item, kind, start, price, per, now, session_user) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN 'exists';
	END IF;
	PERFORM authmeter.audit_append('price_set', NULL, 'set', detail => jsonb_build_object('book', book,
		'item', item, 'kind', kind, 'price', price, 'per', per, 'valid_from', start));
	RETURN 'set';
END
$$;
COMMENT ON FUNCTION authmeter.price_set(text, text, text, bigint, bigint, timestamptz) IS
	'Lets a price begin, at valid_from (now to 10 years ahead; NULL: now): price millionths of a minor unit (0 to 10^15; NULL: the item is not to be had) for per pieces (1, 1000 or 1000000) of a kind (call, or a kind of token) of an item (an operation, a model, or * for what has no price of its own). Returns set, exists (another price of this key begins at that very time) or book_unknown. Audited. Raises MA060 (price_invalid).';

CREATE FUNCTION authmeter.price_cost(
	book text, item text, kinds text[] DEFAULT '{call}', quantities bigint[] DEFAULT '{1}',
	at timestamptz DEFAULT NULL,
	OUT outcome text, OUT cost bigint, OUT unit text, OUT priced_from timestamptz)
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_price_cost';
COMMENT ON FUNCTION authmeter.price_cost(text, text, text[], bigint[], timestamptz) IS
	'What a request costs, by the prices in force at a time (NULL: now): the exact sum of quantity * price / per over up to 16 kinds, rounded once, half up, to whole minor units of the book''s unit. A kind that the item has no price for takes that of item *; a quantity of 0 needs none. outcome: ok; book_unknown; price_unknown (an unknown price is never 0); quantity_invalid (negative, NULL, or above 10^12); overflow (above 2^63 - 1). priced_from: when the newest of the prices began. In the same statement as the charge: SELECT s.* FROM authmeter.price_cost($1, $2) p, authmeter.ledger_spend($3, p.unit, p.cost) s WHERE p.outcome = ''ok''. A retry under the same idempotency key must ask for the same time, or a price that began meanwhile makes it another request. Raises MA060 (price_invalid) for arrays that do not fit.';

CREATE FUNCTION authmeter.price_list(book text, at timestamptz DEFAULT NULL)
RETURNS TABLE (item text, kind text, price bigint, per bigint, valid_from timestamptz, valid_to timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT v.item, v.kind, v.price, v.per, v.valid_from, v.valid_to
	FROM (SELECT p.*, lead(p.valid_from) OVER (PARTITION BY p.item, p.kind ORDER BY p.valid_from) AS valid_to
		FROM authmeter.price_table p WHERE p.book = price_list.book) v
	WHERE v.valid_from <= coalesce(price_list.at, authmeter.clock())
		AND (v.valid_to IS NULL OR v.valid_to > coalesce(price_list.at, authmeter.clock()))
	ORDER BY v.item COLLATE "C", v.kind COLLATE "C";
END;
COMMENT ON FUNCTION authmeter.price_list(text, timestamptz) IS
	'The prices of a book in force at a time (NULL: now), each with the time when the next begins, if one is set.';

CREATE FUNCTION authmeter.price_history(book text, item text DEFAULT NULL)
RETURNS SETOF authmeter.price_table
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.* FROM authmeter.price_table p
	WHERE p.book = price_history.book AND (price_history.item IS NULL OR p.item = price_history.item)
	ORDER BY p.item, p.kind, p.valid_from;
END;
COMMENT ON FUNCTION authmeter.price_history(text, text) IS
	'All prices of a book, or of one item of it, that ever were or will be.';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'price_book_create'),
	('admin', 'function', 'authmeter', 'price_set'),
	('service', 'function', 'authmeter', 'price_cost'),
	('reader', 'function', 'authmeter', 'price_list'),
	('reader', 'function', 'authmeter', 'price_history');
