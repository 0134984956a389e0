-- Mail templates: what mails say. The built-in ones are part of the extension; an operator's override
-- of the same name is data, goes before it, and can be taken away again.
--
-- Built-in texts show neither a person's name nor anything else that whoever asked for the mail could
-- have chosen: else a stranger's words would go out in the operator's name.

CREATE TABLE authmeter.mail_template (
	name text NOT NULL,
	builtin boolean NOT NULL DEFAULT false,
	subject text NOT NULL,
	text text NOT NULL,
	html text,
	required text[] NOT NULL DEFAULT '{}',
	link_setting text,
	updated_at timestamptz,
	updated_by name,
	PRIMARY KEY (name, builtin)
);
COMMENT ON TABLE authmeter.mail_template IS
	'Texts of mails by name: the built-in one (part of the extension) and the operator''s override (data), which goes before it. Placeholders: {{app}}, {{code}}, {{email}}, {{link}}, {{minutes}}, {{name}}, {{token}}; what stands between {{#link}} and {{/link}} is there only with a link, between {{^link}} and {{/link}} only without. html is NULL for a mail of text alone. required: an override must show one of these. link_setting names the setting with the page that a token leads to.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.mail_template', 'WHERE NOT builtin');

CREATE FUNCTION authmeter.mail_template_check(subject text, text text, html text, required text[])
RETURNS void
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_mail_template_check';
COMMENT ON FUNCTION authmeter.mail_template_check(text, text, text, text[]) IS
	'Raises MA090 (mail_invalid) when a template breaks a rule: subject of one line, 1 to 200 bytes, without code, token or link; text and HTML (which may be NULL) of 1 to 65536 bytes; at most 64 well-formed placeholders of known names each; one of the required placeholders shown in text and HTML.';

CREATE FUNCTION authmeter.mail_template_set(name text, subject text, text text, html text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF mail_template_set.name IS NULL OR mail_template_set.name !~ '^[a-z0-9][a-z0-9-]{0,62}$' THEN
		RAISE EXCEPTION 'invalid name of a mail template'
			USING ERRCODE = 'MA090', HINT = 'A name has 1 to 63 characters a-z 0-9 and hyphens.';
	END IF;
	PERFORM authmeter.mail_template_check(mail_template_set.subject, mail_template_set.text,
		mail_template_set.html, (SELECT t.required FROM authmeter.mail_template t
			WHERE t.name = mail_template_set.name AND t.builtin));
	INSERT INTO authmeter.mail_template AS t (name, subject, text, html, updated_at, updated_by)
	VALUES (mail_template_set.name, mail_template_set.subject, mail_template_set.text,
		mail_template_set.html, authmeter.clock(), session_user)
	ON CONFLICT ON CONSTRAINT mail_template_pkey DO UPDATE
	SET subject = EXCLUDED.subject, text = EXCLUDED.text, html = EXCLUDED.html,
		updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by;
	PERFORM authmeter.audit_append('mail_template_set', NULL, 'set',
		detail => jsonb_build_object('name', mail_template_set.name));
	RETURN 'set';
END
$$;
COMMENT ON FUNCTION authmeter.mail_template_set(text, text, text, text) IS
	'Overrides a built-in mail template, or makes one of a new name for authmeter.mail_enqueue; mails rendered after the commit read so. Placeholders: {{app}}, {{code}}, {{email}}, {{link}}, {{minutes}}, {{name}}, {{token}}, empty when the mail has no such value; {{#link}} and {{/link}} enclose what is there only with that value, {{^link}} and {{/link}} what is there only without. Values are escaped in html and can begin no line. An override must show what the mail is for, such as {{code}}. Returns set. Audited. Raises MA090 (mail_invalid).';

CREATE FUNCTION authmeter.mail_template_reset(name text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM authmeter.mail_template t WHERE t.name = mail_template_reset.name AND NOT t.builtin;
	IF NOT FOUND THEN
		RETURN 'not_found';
	END IF;
	PERFORM authmeter.audit_append('mail_template_reset', NULL, 'reset',
		detail => jsonb_build_object('name', mail_template_reset.name));
	RETURN 'reset';
END
$$;
COMMENT ON FUNCTION authmeter.mail_template_reset(text) IS
	'Takes an operator''s mail template away, so that the built-in one of its name, if there is one, is in force again. Returns reset, or not_found when there is none. Audited.';

CREATE FUNCTION authmeter.mail_template_list()
RETURNS TABLE (name text, source text, subject text, text text, html text, required text[], updated_at timestamptz, updated_by name)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT DISTINCT ON (t.name) t.name, CASE WHEN t.builtin THEN 'builtin' ELSE 'operator' END,
		t.subject, t.text, t.html,
		coalesce((SELECT b.required FROM authmeter.mail_template b
			WHERE b.name = t.name AND b.builtin), '{}'),
		t.updated_at, t.updated_by
	FROM authmeter.mail_template t ORDER BY t.name, t.builtin;
END;
COMMENT ON FUNCTION authmeter.mail_template_list() IS
	'The mail templates in force, by name: source is builtin or operator, required the placeholders of which an override must show one.';

CREATE FUNCTION authmeter.mail_template_preview(
	name text,
	params jsonb DEFAULT '{"code": "012345", "minutes": 10, "token": "token", "name": "Ana", "email": "ana@example.com"}',
	OUT subject text, OUT text text, OUT html text)
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_mail_template_preview';
COMMENT ON FUNCTION authmeter.mail_template_preview(text, jsonb) IS
	'How a mail of this template would read with these parameters; a name without a template reads like code, as it would when sent. Raises MA090 (mail_invalid).';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'mail_template_set'),
	('admin', 'function', 'authmeter', 'mail_template_reset'),
	('admin', 'function', 'authmeter', 'mail_template_list'),
	('admin', 'function', 'authmeter', 'mail_template_preview');

-- ---- the built-in templates ----------------------------------------------------------------------

-- Each is three sentences around what the mail is for, in one layout. Nothing is fetched from anywhere.
INSERT INTO authmeter.mail_template (name, builtin, subject, text, html, required, link_setting)
SELECT t.name, true, t.subject,
	pg_catalog.concat(t.lead, E'\n\n', t.shown_text, E'\n\n', t.validity, E'\n\n', t.warning, E'\n'),
	pg_catalog.concat($$<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>$$, t.subject, $$</title>
<style>
@media (prefers-color-scheme: dark) {
  .page { background: #14171c !important; color: #e6e8eb !important; }
  .card { background: #1f242c !important; border-color: #333a45 !important; }
  .code { background: #14171c !important; border-color: #333a45 !important; }
  .quiet { color: #a3abb8 !important; }
}
</style>
</head>
<body class="page" style="margin: 0; padding: 24px 12px; background: #f3f4f6; color: #1c2128; font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; font-size: 16px; line-height: 1.5;">
<div class="card" style="max-width: 480px; margin: 0 auto; padding: 32px; background: #ffffff; border: 1px solid #e2e5ea; border-radius: 12px;">
<p class="quiet" style="margin: 0 0 8px; color: #5b6472; font-size: 14px;">{{app}}</p>
<h1 style="margin: 0 0 16px; font-size: 22px; line-height: 1.3;">$$, t.title, $$</h1>
<p style="margin: 0 0 24px;">$$, t.lead, $$</p>
$$, t.shown_html, $$
<p style="margin: 0 0 16px;">$$, t.validity, $$</p>
<p class="quiet" style="margin: 0; color: #5b6472; font-size: 14px;">$$, t.warning, $$</p>
</div>
</body>
</html>
$$), t.required, t.link_setting
FROM (
	SELECT c.name, c.subject, c.title, c.lead, '    {{code}}' AS shown_text,
		'<p class="code" style="margin: 0 0 24px; padding: 16px; background: #f3f4f6; border: 1px solid #e2e5ea; border-radius: 8px; font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 30px; letter-spacing: 6px; text-align: center;">{{code}}</p>' AS shown_html,
		'The code{{#minutes}} is good for {{minutes}} minutes and{{/minutes}} works once.' AS validity,
		c.warning, ARRAY['code'] AS required, NULL AS link_setting
	FROM (VALUES
		('code', 'Your code for {{app}}', 'Your code',
			'Here is the code that you asked for:',
			'If you did not ask for it, ignore this mail. Give the code to nobody: nobody at {{app}} will ever ask you for it.'),
		('vsplugin-signup', 'Your sign-in code for {{app}}', 'Sign in from your editor',
			'Enter this code in your editor to sign in to {{app}}:',
			'If you did not try to sign in, ignore this mail: without the code nobody gets in. Give it to nobody.'),
		('verification', 'Confirm your e-mail address for {{app}}', 'Confirm your e-mail address',
			'Enter this code to show that this e-mail address is yours:',
			'If you did not ask for this, ignore this mail: your address will not be used.'),
		('account-verification', 'Activate your {{app}} account', 'Activate your account',
			'Welcome! Enter this code to confirm your e-mail address and activate your account:',
			'If you did not sign up, ignore this mail: without the code the account never comes to life.'),
		('password-reset', 'Your password reset code for {{app}}', 'Choose a new password',
			'Enter this code to choose a new password for your account:',
			'If you did not ask for this, ignore this mail: your password stays as it is. Give the code to nobody.'),
		('account-deletion', 'Confirm the deletion of your {{app}} account', 'Delete your account?',
			'Enter this code to delete your account and everything in it. This cannot be undone:',
			'If you did not ask for this, do not use the code, and change your password: somebody may have signed in to your account.'),
		('two-factor', 'Your sign-in code for {{app}}', 'Your second factor',
			'Your password was right. Enter this code to finish signing in:',
			'If this was not you, change your password now: somebody else knows it. Give the code to nobody.')
	) c (name, subject, title, lead, warning)
	UNION ALL
	SELECT 'jobpsych-reset', 'Choose a new password for {{app}}', 'Choose a new password',
		'{{#link}}Follow this link to choose a new password for your account:{{/link}}{{^link}}Use this token to choose a new password for your account:{{/link}}',
		E'{{#link}}{{link}}{{/link}}{{^link}}{{token}}{{/link}}',
		'{{#link}}<p style="margin: 0 0 24px;"><a href="{{link}}" style="display: inline-block; padding: 12px 24px; background: #1f5fd6; border-radius: 8px; color: #ffffff; text-decoration: none;">Choose a new password</a></p>
<p class="quiet" style="margin: 0 0 24px; color: #5b6472; font-size: 14px; word-break: break-all;">{{link}}</p>{{/link}}{{^link}}<p class="code" style="margin: 0 0 24px; padding: 16px; background: #f3f4f6; border: 1px solid #e2e5ea; border-radius: 8px; font-family: ui-monospace, Menlo, Consolas, monospace; word-break: break-all;">{{token}}</p>{{/link}}',
		'It{{#minutes}} is good for {{minutes}} minutes and{{/minutes}} works once.',
		'If you did not ask for this, ignore this mail: your password stays as it is. Give {{#link}}the link{{/link}}{{^link}}the token{{/link}} to nobody.',
		ARRAY['link', 'token'], 'jobpsych.reset_url'
) t (name, subject, title, lead, shown_text, shown_html, validity, warning, required, link_setting);
