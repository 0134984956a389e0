-- Mail templates: what is put into them stays a value, what is wrong with them is told when they are
-- set, and a built-in one is never lost.
SELECT name, source, subject, required FROM authmeter.mail_template_list() ORDER BY name;
-- Each built-in one shows what it is for, in both forms, and fetches nothing from anywhere.
SELECT l.name, p.text ~ (CASE WHEN 'code' = ANY (l.required) THEN '\n    012345\n' ELSE '\ntoken\n' END) AS in_text,
	p.html ~ (CASE WHEN 'code' = ANY (l.required) THEN '>012345<' ELSE '>token<' END) AS in_html,
	p.text ~ '10 minutes' AND p.html ~ '10 minutes' AS minutes, p.subject || p.text || p.html ~ '[{}]{2}[a-z#^/]' AS left_over,
	p.html ~* 'src=|@import|url\(|<script' AS fetches
FROM authmeter.mail_template_list() l, authmeter.mail_template_preview(l.name) p ORDER BY l.name;
SELECT text FROM authmeter.mail_template_preview('vsplugin-signup') \gset
\echo :text
-- Without minutes the sentence is whole, too; a name without a template reads like code.
SELECT substring(text FROM '[^\n]*works once[^\n]*') FROM authmeter.mail_template_preview('no-such-name', '{"code": "1"}');

-- ---- the link comes from the configuration ----
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/reset?lang=en');
SELECT substring(text FROM 'https:[^\n]*') AS text, substring(html FROM 'href="([^"]*)"') AS html, text || html ~ '\ytoken</p>' AS bare
FROM authmeter.mail_template_preview('jobpsych-reset', '{"token": "a-B_9", "minutes": 30}');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/reset#token={token}&x=1');
SELECT substring(text FROM 'https:[^\n]*') AS text, substring(html FROM 'href="([^"]*)"') AS html
FROM authmeter.mail_template_preview('jobpsych-reset', '{"token": "a-B_9", "minutes": 30}');
-- Of other characters no link is made.
SELECT text ~ 'https:' AS link FROM authmeter.mail_template_preview('jobpsych-reset', '{"token": "a&b=c"}');
\set VERBOSITY terse
SELECT authmeter.setting_set('jobpsych.reset_url', 'javascript:alert(1)');
SELECT authmeter.setting_set('jobpsych.reset_url', 'app.example/reset');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https:///reset');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/"onclick=x');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/ x');
SELECT authmeter.setting_set('jobpsych.reset_url', E'https://app.example/\n');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/{token}/{token}');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/{tok}');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/#here');
SELECT authmeter.setting_set('jobpsych.reset_url', 'https://app.example/' || repeat('x', 500));
SELECT authmeter.setting_set('authmeter.mail_app', '');
SELECT authmeter.setting_set('authmeter.mail_app', E'Acme\nBcc: x@example.com');
SELECT authmeter.setting_set('authmeter.mail_app', repeat('x', 101));
\set VERBOSITY default
SELECT authmeter.setting_set('jobpsych.reset_url', 'reset');
SELECT authmeter.setting_set('authmeter.mail_app', NULL || 'Acme');
SELECT authmeter.setting_set('jobpsych.reset_url', NULL);

-- ---- overrides ----
SELECT authmeter.setting_set('authmeter.mail_app', 'Acme & <Söhne>');
SELECT authmeter.mail_template_set('verification', 'Hello from {{app}}, {{name}}',
	E'{{#name}}Dear {{name}},\n{{/name}}{{^name}}Hello,\n{{/name}}your code at {{app}} is {{code}}, sent to {{email}}.',
	'<p title="{{name}}">{{#name}}Dear {{name}}, {{/name}}your code at {{app}} is <b>{{code}}</b>.</p>');
SELECT source, subject, updated_by = session_user AS by_me FROM authmeter.mail_template_list() WHERE name = 'verification';
-- Values are only values: not markup, not template, not a header, not a line.
SELECT subject, text, html FROM authmeter.mail_template_preview('verification', jsonb_build_object('code', '012345', 'email', 'a@example.com',
	'name', E'<a href="x" onclick=''y''>&amp;{{code}}{{#x}}</a>\r\nBcc: b@example.com\t\x01.')) \gset
\echo :subject
\echo :text
\echo :html
SELECT text FROM authmeter.mail_template_preview('verification', '{"code": 12}') \gset
\echo :text
-- A mail in the outbox reads so: address and name come with it.
SELECT (authmeter.user_create('mail-ana@example.com', name => 'Ana "A" Ruiz')).user_id AS ana \gset
SELECT authmeter.mail_enqueue('verification', 'mail-ana@example.com', '{"code": "271828"}', :'ana') AS mail \gset
SELECT * FROM authmeter.mail_render(:'mail');
SELECT authmeter.mail_template_reset('verification');
SELECT subject FROM authmeter.mail_render(:'mail');
SELECT authmeter.mail_template_reset('verification'), authmeter.mail_template_reset('no-such-name');
-- One of a service's own; text alone is enough.
SELECT authmeter.mail_template_set('test-invoice', 'Your invoice', 'It is at {{link}}.');
SELECT authmeter.mail_enqueue('test-invoice', 'mail-ana@example.com', '{"link": "https://app.example/i?a=1&b=\"2\""}') AS mail \gset
SELECT * FROM authmeter.mail_render(:'mail');
-- Taken away meanwhile, the mail still goes.
SELECT authmeter.mail_template_reset('test-invoice');
SELECT subject FROM authmeter.mail_render(:'mail');
SELECT action, outcome, detail FROM authmeter.audit_event WHERE action LIKE 'mail_template%' ORDER BY at;

-- ---- refused when set ----
SELECT authmeter.mail_template_set('test', E'Hi\nBcc: x@example.com', 'x');
SELECT authmeter.mail_template_set('test', 'Hi', 'x {{user}}');
SELECT authmeter.mail_template_set('test', 'Your code is {{code}}', 'x');
\set VERBOSITY terse
SELECT authmeter.mail_template_set('test', E'Hi\rthere', 'x');
SELECT authmeter.mail_template_set('test', E'Hi\x7f', 'x');
SELECT authmeter.mail_template_set('test', '{{#code}}Your code{{/code}}{{^link}}: {{token}}{{/link}}', 'x');
SELECT authmeter.mail_template_set('test', '', 'x');
SELECT authmeter.mail_template_set('test', NULL, 'x');
SELECT authmeter.mail_template_set('test', repeat('x', 201), 'x');
SELECT authmeter.mail_template_set('test', 'Hi', NULL);
SELECT authmeter.mail_template_set('test', 'Hi', '');
SELECT authmeter.mail_template_set('test', 'Hi', 'x', '');
SELECT authmeter.mail_template_set('test', 'Hi', repeat('x', 65537));
SELECT authmeter.mail_template_set('test', 'Hi', 'x', repeat('x', 65537));
SELECT authmeter.mail_template_set('test', 'Hi', '{{ code }}');
SELECT authmeter.mail_template_set('test', 'Hi', '{{code}');
SELECT authmeter.mail_template_set('test', 'Hi', '{{#link}}x');
SELECT authmeter.mail_template_set('test', 'Hi', 'x{{/link}}');
SELECT authmeter.mail_template_set('test', 'Hi', 'x', '<p>{{#link}}{{#code}}{{/code}}{{/link}}</p>');
SELECT authmeter.mail_template_set('test', 'Hi', repeat('{{app}}', 65));
SELECT authmeter.mail_template_set('Test', 'Hi', 'x');
SELECT authmeter.mail_template_set('', 'Hi', 'x');
SELECT authmeter.mail_template_set(NULL, 'Hi', 'x');
SELECT authmeter.mail_template_set(repeat('x', 64), 'Hi', 'x');
-- An override without what the mail is for.
SELECT authmeter.mail_template_set('verification', 'Hi', 'Look at the HTML', '<p>{{code}}</p>');
SELECT authmeter.mail_template_set('verification', 'Hi', '{{code}}', '<p>Look at the text</p>');
SELECT authmeter.mail_template_set('verification', 'Hi', '{{#code}}x{{/code}}');
SELECT authmeter.mail_template_set('jobpsych-reset', 'Hi', '{{code}}');
SELECT authmeter.mail_template_set('jobpsych-reset', 'Hi', '{{link}}');
SELECT authmeter.mail_template_set('jobpsych-reset', 'Hi', '{{token}}');
\set VERBOSITY default
SELECT authmeter.mail_template_set('jobpsych-reset', 'Hi', 'x');
SELECT name, source FROM authmeter.mail_template_list() WHERE source <> 'builtin';
SELECT authmeter.mail_template_reset('jobpsych-reset');
SELECT authmeter.mail_template_preview('code', '{"x": 1}');
SELECT authmeter.mail_template_preview('code', '[]');

-- Dumps take the overrides alone.
SELECT extcondition[array_position(extconfig, 'authmeter.mail_template'::regclass)] FROM pg_extension WHERE extname = 'authmeter';
SELECT authmeter.setting_set('authmeter.mail_app', NULL);
DELETE FROM authmeter.mail_outbox;
SELECT (authmeter.user_delete(:'ana')).outcome;
